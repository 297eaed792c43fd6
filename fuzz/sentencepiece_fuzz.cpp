// tokenizer.model under libFuzzer: any bytes give a tokenizer that encodes, covers and decodes what it is given, or a
// ken::Error.
//   sentencepiece_fuzz -max_len=4096 fuzz/corpus/sentencepiece
#include <cstdint>
#include <cstdlib>

#include "fuzz/spans.h"
#include "ken/base/error.h"
#include "ken/text/sentencepiece_model.h"

using namespace ken;

namespace {

void check(const text::Tokenizer& tokenizer, const std::string& line) {
  for (const int32_t id : tokenizer.encode(line, true))
    if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
  tokenizer.decode(tokenizer.encode(line));
  check_spans(tokenizer, line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  try {
    tokenizer = text::tokenizer_from_gguf(text::sentencepiece_metadata({reinterpret_cast<const char*>(data), size}));
  } catch (const Error&) {
    return 0;
  }
  const std::string own(reinterpret_cast<const char*>(data), size);
  for (const std::string& line : {std::string("Hello  World"), std::string(" ab\tabc <s>[X] \xef\xac\x81 A\xcc\x8a"),
                                  std::string("\xff\xfe\xe2\x96"), std::string(), own}) {
    try {
      check(*tokenizer, line);
    } catch (const Error&) {  // rules that only a lookup finds damaged
    }
  }
  return 0;
}
