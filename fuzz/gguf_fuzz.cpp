// libFuzzer target of the GGUF reader: any bytes give a file whose spans lie inside them, or a ken::Error.
//   gguf_fuzz -max_len=4096 fuzz/corpus/gguf
#include <cstdint>
#include <cstdlib>

#include "ken/base/error.h"
#include "ken/io/formats.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  ken::io::TensorFile file;
  try {
    ken::io::read_gguf(bytes, file);
    file.index();
  } catch (const ken::Error&) {
    return 0;
  }
  unsigned sum = 0;
  for (const auto& tensor : file.tensors) {
    if (ken::io::bytes_of(tensor.dtype, tensor.elements()) != tensor.bytes.size()) std::abort();
    for (const std::byte b : tensor.bytes) sum += unsigned(b);
    if (&file.at(tensor.name) != file.find(tensor.name)) std::abort();
  }
  return sum == 0xffffffff ? -1 : 0;  // keeps the reads
}
