#include "ken/generate/row.h"

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/data/trim.h"
#include "ken/text/decode_stream.h"

namespace ken::generate {

int Stream::fork() const {
  const int sequence = cache->fork(cached);
  cache->truncate(sequence, length());
  return sequence;
}

void Stream::append(int32_t token) {
  if (ahead.empty() || ahead.front() != token) {
    if (!ahead.empty()) cache->truncate(cached, length());
    ahead.clear();
    pending = {token};
    return;
  }
  logits = after_ahead[0];
  after_ahead = after_ahead.narrow(0, 1, after_ahead.size(0) - 1);
  ahead.erase(ahead.begin());
}

std::vector<int32_t> Active::tokens(size_t stream) const {
  std::vector<int32_t> tokens = prompts[stream];
  tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
  return tokens;
}

std::vector<int32_t> Active::read(size_t stream) const {
  std::vector<int32_t> tokens = this->tokens(stream);
  tokens.resize(std::min(tokens.size(), size_t(streams[stream].length())));
  return tokens;
}

std::vector<model::Tap> Active::taps(size_t stream) const {
  std::vector<model::Tap> taps;
  const bool same_model = streams[stream].model == streams[0].model;
  for (const auto& c : controls) {
    if (stream == 0 || (same_model && c.control->taps_all_streams()))
      for (auto& tap : c.control->taps()) taps.push_back(std::move(tap));
    if (stream >= c.first_twin && stream < c.first_twin + c.twins)
      for (auto& tap : c.control->twin_taps(stream - c.first_twin)) taps.push_back(std::move(tap));
  }
  return taps;
}

void draw(const Active& row, Choice& choice) {
  const std::span<const float> values(choice.logits.data_ptr<float>(), size_t(choice.logits.numel()));
  choice.spread = spread(values);
  choice.finite = std::isfinite(choice.spread.max) && !std::isnan(choice.spread.log_sum);
  if (!choice.finite) return;
  const Sampling& sampling = row.request().sampling;
  if (row.proposed)
    choice.token = row.proposed->token;
  else if (choice.noise.defined())
    choice.token = sample(values, sampling, {choice.noise.data_ptr<float>(), size_t(choice.noise.numel())});
  else
    choice.token = sample(values, sampling, row.sequence(), row.result.tokens.size());
  if (const int64_t n = row.request().alternatives; n > 0) choice.alternatives = likeliest(values, n, choice.spread);
}

namespace {

void note(Generated& result, const std::map<std::string, double>& notes) {
  const size_t tokens = result.logprobs.size();
  for (const auto& [name, value] : notes) {
    result.notes[name].resize(tokens - 1, NAN);
    result.notes[name].push_back(value);
  }
  for (auto& [name, values] : result.notes) values.resize(tokens, NAN);
}

// How many tokens lie wholly before byte `cut` of the decoded text.
int64_t tokens_before(const model::Model& model, const Active& row, size_t cut) {
  int64_t n = 0;
  while (n < int64_t(row.result.tokens.size()) &&
         model.tokenizer->decode({row.result.tokens.data(), size_t(n + 1)}).size() <= cut)
    ++n;
  return n;
}

// Sends what cannot change any more: whole characters, and nothing that may be the beginning of a stop text. At the
// end (`all`) that text is no stop text any more; a character that was never finished is left out. A row that Controls
// rank may still be dropped.
void stream_text(Active& row, bool all) {
  const Request& request = row.request();
  if (!request.on_text || row.job->ranked) return;
  size_t end = row.decoded.size();
  if (!all) {
    for (const auto& stop : request.stop)
      for (size_t n = std::min(stop.size(), row.decoded.size()); n > 0; --n)
        if (row.decoded.compare(row.decoded.size() - n, n, stop, 0, n) == 0)
          end = std::min(end, row.decoded.size() - n);
  }
  // The end of a stopped answer may lie within a character, too: what is passed on is always whole.
  end = text::complete_utf8(std::string_view(row.decoded).substr(0, end));
  if (end <= row.streamed) return;
  request.on_text({row.sample, row.decoded.substr(row.streamed, end - row.streamed), row.result});
  row.streamed = end;
}

}  // namespace

void finish(Active& row, const char* reason) {
  row.done = true;
  Generated& result = row.result;
  result.finish = reason;
  if (result.finish == "stop" ? result.logprobs.size() > result.tokens.size() : result.answer_tokens == 0)
    result.answer_tokens = int64_t(result.tokens.size());
  stream_text(row, true);
  result.text = data::trimmed(row.decoded, " \n\t");
}

namespace {

void append(const model::Model& model, Active& row, int32_t token) {
  auto& tokens = row.result.tokens;
  const auto last = tokens.empty() ? std::nullopt : std::optional(tokens.back());
  tokens.push_back(token);
  for (auto& stream : row.streams) stream.append(token);
  row.ahead = row.streams[0].pending.empty();
  if (!model.tokenizer) return;
  const size_t before = row.decoded.size();
  row.decoded += text::decode_next(*model.tokenizer, last, token);
  size_t cut = std::string::npos;
  for (const auto& stop : row.request().stop)
    if (!stop.empty()) cut = std::min(cut, row.decoded.find(stop, before - std::min(before, stop.size() - 1)));
  if (cut != std::string::npos) {
    row.decoded.resize(cut);
    row.result.answer_tokens = tokens_before(model, row, cut);
    return finish(row, "stop");
  }
  if (row.decoded.size() > before) stream_text(row, false);
}

}  // namespace

void take(const model::Model& model, Active& row, const Choice& choice) {
  const Request& request = row.request();
  if (choice.finished) return finish(row, "control");
  if (!choice.finite)
    fail("generate", "the logits hold NaN or infinity; the weights are damaged or a control overflowed");
  const double logit = double(choice.logits.data_ptr<float>()[choice.token]);
  row.result.logprobs.push_back(logit - choice.spread.max - choice.spread.log_sum);
  row.result.entropies.push_back(choice.spread.entropy);
  row.result.margins.push_back(choice.spread.margin);
  row.result.certainties.push_back(choice.spread.certainty);
  if (row.proposed) row.result.score = row.proposed->score;
  if (!choice.alternatives.empty()) row.result.alternatives.push_back(choice.alternatives);
  note(row.result, choice.notes);
  const bool eos = !request.ignore_eos && model.tokenizer && choice.token == model.tokenizer->eos;
  if (eos || is_in(choice.token, request.ends)) return finish(row, "stop");
  append(model, row, choice.token);
  if (!row.done && int64_t(row.result.tokens.size()) >= request.max_tokens) finish(row, "length");
}

}  // namespace ken::generate
