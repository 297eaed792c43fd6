#include "ken/evidence/overshadowed.h"

#include <cmath>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/stats/stats.h"

namespace ken::evidence {
namespace {

// Words that are no condition: masking them breaks the question instead of leaving something out.
bool content_word(const std::string& word) {
  static const std::set<std::string> function_words = {
      "a",    "an",  "the",  "of",  "in",  "on",   "at",   "to",   "for", "from", "by",    "with",  "is",
      "are",  "was", "were", "be",  "did", "does", "do",   "has",  "had", "have", "what",  "which", "who",
      "whom", "how", "when", "why", "and", "or",   "that", "this", "it",  "its",  "where", "whose", "as"};
  std::string bare;
  for (const char c : word)
    if (std::isalnum(static_cast<unsigned char>(c)) || (c & 0x80)) bare += char(std::tolower(c));
  return !bare.empty() && !function_words.contains(bare);
}

std::vector<std::string> subject_words(const data::Fact& fact) {
  std::vector<std::string> words;
  for (const Word& w : content_words(fact.subject, fact.subject, 64))
    words.push_back(fact.relation + " " + fact.subject.substr(w.begin, w.end - w.begin));
  return words;
}

}  // namespace

std::vector<Word> content_words(const std::string& text, const std::string& part, size_t most) {
  const size_t at = text.rfind(part);
  const size_t from = at == std::string::npos ? 0 : at, to = at == std::string::npos ? text.size() : at + part.size();
  std::vector<Word> words;
  for (size_t begin = from; begin < to;) {
    begin = std::min(text.find_first_not_of(" \n\t", begin), to);
    const size_t end = std::min(text.find_first_of(" \n\t", begin), to);
    if (begin < end && content_word(text.substr(begin, end - begin))) words.push_back({begin, end});
    begin = end;
  }
  if (words.size() > most) words.erase(words.begin(), words.end() - long(most));
  return words;
}

double Overshadowed::log_ratio() const { return std::log(double(other->exposure) / double(fact->exposure)); }

std::vector<Overshadowed> overshadowed(const data::FactSet& set, size_t most, uint64_t seed) {
  std::map<std::string, std::vector<const data::Fact*>> by_word;
  for (const data::Fact& f : set.facts)
    if (f.exposure > 0 && !f.question.empty() && !f.answers.empty())
      for (const auto& word : subject_words(f)) by_word[word].push_back(&f);
  std::vector<Overshadowed> pairs;
  for (const data::Fact& f : set.facts) {
    if (f.exposure <= 0 || f.question.empty() || f.answers.empty()) continue;
    const data::Fact* best = nullptr;
    for (const auto& word : subject_words(f))
      for (const data::Fact* o : by_word[word])
        if (o->subject != f.subject && !data::same_answer(o->answers[0], f.answers) &&
            (!best || o->exposure > best->exposure))
          best = o;
    if (best && best->exposure > f.exposure) pairs.push_back({&f, best});
  }
  Rng(seed).shuffle(pairs);
  if (pairs.size() > most) pairs.resize(most);
  if (pairs.size() < 40)
    fail("knowledge-overshadowing",
         "{} of {} facts share a word of their subject with a better known fact of their relation; at least 40 with "
         "exposures are needed",
         pairs.size(), set.facts.size());
  return pairs;
}

Json overshadowing_law(const std::vector<Overshadowed>& pairs, std::span<const int> wrong,
                       std::span<const int> others) {
  std::vector<double> ratio, error(wrong.begin(), wrong.end()), exposure;
  for (const Overshadowed& pair : pairs)
    ratio.push_back(pair.log_ratio()), exposure.push_back(double(pair.fact->exposure));
  std::vector<size_t> by_ratio = draw(pairs.size(), pairs.size(), 0), by_exposure = by_ratio;
  std::sort(by_ratio.begin(), by_ratio.end(), [&](size_t a, size_t b) { return ratio[a] < ratio[b]; });
  std::sort(by_exposure.begin(), by_exposure.end(), [&](size_t a, size_t b) { return exposure[a] < exposure[b]; });
  Json bins = Json::array();
  constexpr size_t quarters = 4;
  double equal = 0;  // what is left of the correlation where the fact itself is about equally known
  for (size_t q = 0; q < quarters; ++q) {
    const size_t begin = q * pairs.size() / quarters, end = (q + 1) * pairs.size() / quarters;
    int64_t hits = 0, taken = 0;
    double sum = 0;
    for (size_t i = begin; i < end; ++i)
      hits += wrong[by_ratio[i]], taken += others[by_ratio[i]], sum += ratio[by_ratio[i]];
    bins.push_back({{"log_ratio", sum / double(end - begin)},
                    {"wrong", stats::to_json(stats::proportion(hits, int64_t(end - begin), "share"))},
                    {"better_known", stats::to_json(stats::proportion(taken, int64_t(end - begin), "share"))}});
    const std::vector<size_t> part(by_exposure.begin() + long(begin), by_exposure.begin() + long(end));
    const double r = stats::spearman(pick(ratio, part), pick(error, part));
    equal += (std::isfinite(r) ? r : 0) / quarters;
  }
  return {{"bins", bins}, {"spearman", stats::spearman(ratio, error)}, {"spearman_at_equal_exposure", equal}};
}

}  // namespace ken::evidence
