// tokenizer.json under libFuzzer: any JSON gives a tokenizer that encodes and decodes what it is given, or a
// ken::Error.
//   tokenizer_json_fuzz -max_len=4096 fuzz/corpus/tokenizer_json
#include <cstdint>
#include <cstdlib>

#include "fuzz/spans.h"
#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/text/hf_tokenizer.h"

using namespace ken;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Json json = parse_json({reinterpret_cast<const char*>(data), size});
  if (!json.is_object()) return 0;
  try {
    const auto tokenizer = text::tokenizer_from_gguf(text::tokenizer_metadata(json, {{"bos_token", "<s>"}}));
    for (const char* line :
         {"Hello  World", " a\n\tb <s> \xc3\xa9", "\xff\xfe", "", "unaff, ab12 e\xcc\x81 \xe6\x97\xa5"}) {
      const auto ids = tokenizer->encode(line, true);
      for (const int32_t id : ids)
        if (id < 0 || id >= tokenizer->vocab_size()) std::abort();
      tokenizer->decode(ids);
      check_spans(*tokenizer, line);
    }
  } catch (const Error&) {
  }
  return 0;
}
