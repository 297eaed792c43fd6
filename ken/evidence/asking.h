// Asking a model about facts: the request of a fact or a context case, and what an answer under a passage followed.
#pragma once
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/evidence/options.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

// A prompt of this style as a request: its stop texts, its end tokens, the longest answer, special tokens of a chat.
generate::Request request_of(const data::PromptStyle& style, generate::Prompt prompt);

generate::Request closed_book(const data::Fact& fact, const data::PromptStyle& style);
generate::Request as_variant(const data::Fact& fact, const data::Variant& variant, const data::PromptStyle& style);
// The prompt with the passage; its twin without it keeps the question.
generate::Request with_passage(const data::ContextCase& item, const data::PromptStyle& style);

// The log-likelihood question of a claim: its two verdicts after the prompt.
OptionItem verdicts(const data::Claim& claim, const data::PromptStyle& style);

// What a claim about an answer says: the fact's statement with this answer in place of its own, or, where no statement
// holds it, question and answer.
std::string statement_with(const data::Fact& fact, const std::string& answer);

// No instruction says whether passage or memory is wanted.
inline bool undirected(const data::ContextCase& item) { return item.intent.empty() || item.intent == "none"; }

// "context": the answer is what the passage says; "memory": it is one of `memory`; else "neither".
std::string followed(const std::string& answer, const data::ContextCase& item, const std::vector<std::string>& memory);

// The greedy answers of all facts, in order.
std::vector<generate::Generated> greedy_answers(const model::Model& model,
                                                const std::vector<generate::Request>& requests, nn::Compute compute);
// Of the input's model; plain requests that it answered before are not asked again.
std::vector<generate::Generated> greedy_answers(const readout::AnalysisInput& input,
                                                const std::vector<generate::Request>& requests);

}  // namespace ken::evidence
