// NumPy archives (.npz): a zip of .npy files, each one array. Stored and deflated members, little-endian f2, f4, f8 and
// integers in C order; what else may stand there is refused with its reason.
#pragma once
#include "ken/io/tensors.h"

namespace ken::io {

// Names without ".npy"; `metadata` is empty. The bytes are copied, so nothing stays mapped.
std::shared_ptr<const TensorFile> open_npz(const fs::path& path);
std::shared_ptr<const TensorFile> read_npz(std::span<const std::byte> bytes, const std::string& name);
// Stored, not deflated: weights do not compress. f32 and f64 tensors.
void write_npz(const fs::path& path, const std::vector<TensorOut>& tensors);

}  // namespace ken::io
