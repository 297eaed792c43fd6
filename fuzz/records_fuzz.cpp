// libFuzzer target of the record readers: any text gives records that can be written and read again, or a ken::Error.
//   records_fuzz -max_len=4096 fuzz/corpus/records
#include <cstdint>
#include <cstdlib>

#include "ken/base/error.h"
#include "ken/io/records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<ken::io::Record> records;
  try {
    records = ken::io::parse_records({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const ken::Error&) {
    return 0;
  }
  size_t line = 0;
  for (const auto& record : records) {
    if (!record.fields.is_object() || record.line < line || record.line == 0) std::abort();
    line = record.line;
    const std::string written = ken::io::jsonl_line(record.fields);
    const auto again = ken::io::parse_records(written, "written");
    if (again.size() != 1 || ken::io::jsonl_line(again[0].fields) != written) std::abort();
  }
  return 0;
}
