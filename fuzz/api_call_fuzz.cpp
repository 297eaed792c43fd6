// libFuzzer target of what the server reads of a stranger: any body gives a call within its limits, or a
// ken::CallError.
//   api_call_fuzz -max_len=4096 fuzz/corpus/api_call
#include <cstdint>
#include <cstdlib>

#include "ken/io/api_call.h"

namespace {

using ken::io::Call;
const ken::io::CallLimits limits;

void check(const Call& call) {
  const bool sane = call.n >= 1 && call.n <= limits.n && call.best_of >= call.n && call.best_of <= limits.n &&
                    call.top_logprobs >= 0 && call.top_logprobs <= limits.top_logprobs && call.temperature >= 0 &&
                    call.temperature <= 100 && call.top_p > 0 && call.top_p <= 1 && call.top_k >= 0 &&
                    call.max_tokens.value_or(0) >= 0 && call.max_tokens.value_or(0) <= limits.max_tokens &&
                    int64_t(call.stop.size()) <= limits.stops && int64_t(call.prompts.size()) <= limits.prompts &&
                    int64_t(call.ken.documents.size()) <= limits.documents;
  if (!sane) std::abort();
  for (const auto& prompt : call.prompts)
    if (prompt.text.empty() == prompt.tokens.empty()) std::abort();
  for (const auto& [token, bias] : call.logit_bias)
    if (token < 0 || bias < -100 || bias > 100) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ken::Json body;
  try {
    body = ken::io::call_body({reinterpret_cast<const char*>(data), size});
  } catch (const ken::io::CallError&) {
    return 0;
  }
  for (const auto read : {ken::io::completion_call, ken::io::chat_call, ken::io::embedding_call}) {
    try {
      check(read(body, limits));
    } catch (const ken::io::CallError&) {
    }
  }
  return 0;
}
