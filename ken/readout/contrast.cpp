#include "ken/readout/contrast.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/generate/generate.h"

namespace ken::readout {
namespace {

constexpr size_t least_pairs = 10, pairs_a_pass = 64;

Tensor last_logits(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts, nn::Compute compute) {
  const at::NoGradGuard no_gradients;
  std::vector<Tensor> result;
  for (size_t begin = 0; begin < prompts.size(); begin += pairs_a_pass) {
    std::vector<model::Row> rows;
    for (size_t i = begin; i < std::min(prompts.size(), begin + pairs_a_pass); ++i) rows.push_back({prompts[i]});
    result.push_back(model::forward(model, model::pack(rows, model.config.vocab), {.compute = compute}).logits);
  }
  return at::cat(result);
}

void add(Contrasts& to, const Contrasts& from, size_t i) {
  to.pairs.push_back(from.pairs[i]);
  to.clean.push_back(from.clean[i]), to.corrupt.push_back(from.corrupt[i]);
  to.right.push_back(from.right[i]), to.wrong.push_back(from.wrong[i]);
  to.first.push_back(from.first[i]), to.last.push_back(from.last[i]);
}

Contrasts tokenised(const data::Encode& encode, std::vector<data::ContrastPair> pairs) {
  Contrasts result;
  for (auto& pair : pairs) {
    auto clean = encode(pair.clean), corrupt = encode(pair.corrupt);
    const int32_t right = first_answer_token(encode, pair.clean, clean, pair.clean_answer),
                  wrong = first_answer_token(encode, pair.corrupt, corrupt, pair.corrupt_answer);
    const auto differ = std::mismatch(clean.begin(), clean.end(), corrupt.begin()).first;
    if (right < 0 || wrong < 0 || right == wrong || clean.size() != corrupt.size() || differ == clean.end()) continue;
    const auto back = std::mismatch(clean.rbegin(), clean.rend(), corrupt.rbegin()).first;
    result.first.push_back(differ - clean.begin());
    result.last.push_back(clean.rend() - back - 1);
    result.right.push_back(right), result.wrong.push_back(wrong);
    result.clean.push_back(std::move(clean)), result.corrupt.push_back(std::move(corrupt));
    result.pairs.push_back(std::move(pair));
  }
  return result;
}

}  // namespace

int32_t first_answer_token(const data::Encode& encode, const std::string& prompt, const std::vector<int32_t>& tokens,
                           const std::string& answer) {
  const auto whole = encode(prompt + " " + answer);
  const bool apart = whole.size() > tokens.size() && std::equal(tokens.begin(), tokens.end(), whole.begin());
  return apart ? whole[tokens.size()] : -1;
}

Contrasts contrasts(const AnalysisInput& input, const PairOptions& options) {
  const auto chat = input.style.tokens();
  const data::Encode encode = [&](const std::string& text) {
    return generate::prompt_ids(input.model, text, chat.get());
  };
  const size_t tried = 4 * options.most;  // the model does not know all of them
  const Contrasts all = tokenised(
      encode, !options.file.empty() ? data::read_pairs(options.file, encode)
              : options.kind == "passage"
                  ? data::passage_pairs(input.facts, input.style, {"conflict", "reading"}, encode, input.seed, tried)
                  : data::subject_pairs(input.facts, input.style, encode, input.seed, tried));
  Contrasts result;
  if (!all.pairs.empty()) {
    std::vector<size_t> numbers(all.pairs.size());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
    const Tensor clean = last_logits(input.model, all.clean, input.compute),
                 corrupt = last_logits(input.model, all.corrupt, input.compute);
    const Tensor gap = logit_difference(clean, all, numbers) - logit_difference(corrupt, all, numbers);
    const Tensor best = clean.argmax(1);
    for (size_t i = 0; i < numbers.size() && result.pairs.size() < options.most; ++i) {
      const bool told = best[int64_t(i)].item<int64_t>() == all.right[i] &&
                        gap[int64_t(i)].item<double>() >= std::max(options.least_gap, 1e-3);
      if (told) add(result, all, i);
      result.dropped += !told;
    }
  }
  if (result.pairs.size() < least_pairs)
    fail("pairs",
         "{} pairs of equal length are there whose clean prompt the model answers rightly, {} are needed; give more "
         "facts of a relation, or pairs of your own with file=FILE",
         result.pairs.size(), least_pairs);
  return result;
}

std::vector<Param> pair_params() {
  return {{"pairs",
           "subject",
           "what differs: the question's subject, or the value in a passage",
           -1e300,
           1e300,
           {"subject", "passage"}},
          {"file", "", "pairs of your own: records with clean, corrupt, answer, corrupt_answer"},
          {"max_pairs", 100, "pairs at most, drawn by the seed", 10, 100000},
          {"least_gap", 1.0, "logit difference between the two prompts below which a pair is left out, nats", 0, 100}};
}

PairOptions pair_options(const Json& params) {
  return {params.at("pairs"), params.at("file"), params.at("max_pairs").get<size_t>(), params.at("least_gap")};
}

const std::vector<std::string>& place_names() {
  static const std::vector<std::string> names = {"first changed", "middle changed", "last changed",
                                                 "next",          "between",        "last token"};
  return names;
}

int place_of(const Contrasts& contrast, size_t pair, int64_t position) {
  const int64_t first = contrast.first[pair], last = contrast.last[pair],
                end = int64_t(contrast.clean[pair].size()) - 1;
  if (position < first) return -1;
  if (position == end) return 5;
  if (position == last) return 2;
  if (position == first) return 0;
  if (position < last) return 1;
  return position == last + 1 ? 3 : 4;
}

Tensor logit_difference(const Tensor& logits, const Contrasts& contrast, const std::vector<size_t>& pairs) {
  std::vector<int64_t> right, wrong;
  for (const size_t pair : pairs) right.push_back(contrast.right[pair]), wrong.push_back(contrast.wrong[pair]);
  const auto of = [&](const std::vector<int64_t>& tokens) {
    return logits.gather(1, at::tensor(at::ArrayRef<int64_t>(tokens)).unsqueeze(1)).squeeze(1);
  };
  return of(right) - of(wrong);
}

}  // namespace ken::readout
