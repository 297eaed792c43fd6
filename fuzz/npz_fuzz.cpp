// libFuzzer target of the NumPy archive reader: any bytes give arrays whose bytes are those of their shapes, or a
// ken::Error.
//   npz_fuzz -max_len=4096 fuzz/corpus/npz
#include <cstdint>
#include <cstdlib>

#include "ken/base/error.h"
#include "ken/io/npz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  unsigned sum = 0;
  try {
    const auto file = ken::io::read_npz(bytes, "fuzz.npz");
    for (const auto& tensor : file->tensors) {
      if (ken::io::bytes_of(tensor.dtype, tensor.elements()) != tensor.bytes.size()) std::abort();
      for (const std::byte b : tensor.bytes) sum += unsigned(b);
      if (&file->at(tensor.name) != file->find(tensor.name)) std::abort();
    }
  } catch (const ken::Error&) {
    return 0;
  }
  return sum == 0xffffffff ? -1 : 0;  // keeps the reads
}
