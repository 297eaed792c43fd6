// When two short answers mean the same, without an entailment model: rules over normalised text, joined by union-find.
#pragma once
#include <string>
#include <vector>

namespace ken::evidence {

// The rule that joined two answers: "equal", "number", "containment", "overlap"; empty: they differ.
//  1. both numbers: the same iff equal to 1e-6 relative; number against text: different
//  2. equal after normalisation (data::normalize_answer)
//  3. the words of one are among the words of the other, unless the rest holds a number, a negation, or a capitalised
//  word
//     after the shared head ("New York" is not "New York Times")
//  4. token F1 >= 0.7
std::string same_meaning(const std::string& a, const std::string& b);

// Cluster number of each answer, numbered in order of first appearance.
std::vector<int> cluster_answers(const std::vector<std::string>& answers);
// The same from a similarity [n][n]: answers are joined where it is at least `least`.
std::vector<int> cluster_answers(const std::vector<std::vector<double>>& similarity, double least);

// [n][n] of texts, by "rules" (1 where same_meaning joins them), "aliases" (the same; answers that are both among
// `aliases` mean the same too) or "jaccard" (shared words over all words, after normalisation; two empty ones are 1).
std::vector<std::vector<double>> text_similarity(const std::vector<std::string>& texts, const std::string& judge,
                                                 const std::vector<std::string>& aliases);
// ROUGE-L F1 of words after normalisation; two empty texts are 1.
double rouge_l(const std::string& a, const std::string& b);

}  // namespace ken::evidence
