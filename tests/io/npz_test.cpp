// NumPy archives: written and read back, and what is damaged or strange is refused.
#include "ken/io/npz.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "ken/base/error.h"
#include "ken/base/rng.h"

namespace ken::io::npz_test_file {
namespace {

fs::path scratch() { return fs::temp_directory_path() / fmt::format("ken-npz-test-{}.npz", ::getpid()); }

std::vector<std::byte> bytes_of_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(std::byte(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

std::string written() {
  const std::vector<float> x{1, 2, 3, 4, 5, 6}, y{7};
  const auto span = [](const std::vector<float>& v) { return std::as_bytes(std::span(v)); };
  write_npz(scratch(),
            {{"W", DType::f32, {2, 3}, span(x)}, {"b", DType::f32, {1}, span(y)}, {"none", DType::f32, {0}, {}}});
  const std::string text = read_text(scratch());
  fs::remove(scratch());
  return text;
}

std::shared_ptr<const TensorFile> read(const std::string& text) {
  return read_npz(std::as_bytes(std::span(text.data(), text.size())), "test.npz");
}

TEST(NpzTest, reads_what_it_writes) {
  const auto file = read(written());
  ASSERT_EQ(file->tensors.size(), 3u);
  const auto& w = file->at("W");
  EXPECT_EQ(w.shape, (std::vector<int64_t>{2, 3}));
  float values[6];
  std::memcpy(values, w.bytes.data(), sizeof values);
  EXPECT_EQ(values[5], 6);
  EXPECT_EQ(file->at("b").shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(file->at("none").elements(), 0);
  EXPECT_THROW(file->at("c"), Error);
}

// The float32 array [[0, 1, 2], [3, 4, 5]] as numpy.savez_compressed lays it out: deflated, with a ZIP64 field.
constexpr const char* numpy_deflated =
    "504b03042d0000000800000021004fe9002affffffffffffffff05001400612e6e7079010010009800000000000000550000"
    "00000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc"
    "294e058a17672416a402f91a463a0ac69a3a0ab50a64032e063068b007120e4004c40d40bcc00100504b01022d032d000000"
    "0800000021004fe9002a5500000098000000050000000000000000000000800100000000612e6e7079504b05060000000001"
    "000100330000008c0000000000";

TEST(NpzTest, reads_what_numpy_deflates) {
  const auto bytes = bytes_of_hex(numpy_deflated);
  const auto file = read_npz(bytes, "numpy.npz");
  const auto& a = file->at("a");
  EXPECT_EQ(a.shape, (std::vector<int64_t>{2, 3}));
  float values[6];
  std::memcpy(values, a.bytes.data(), sizeof values);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(values[i], float(i));
}

TEST(NpzTest, refuses_every_cut_and_survives_every_changed_byte) {
  const std::string good = written();
  for (size_t length = 0; length < good.size(); ++length) EXPECT_THROW(read(good.substr(0, length)), Error) << length;
  const auto deflated = bytes_of_hex(numpy_deflated);
  for (const std::string& start : {good, std::string(reinterpret_cast<const char*>(deflated.data()), deflated.size())})
    for (size_t at = 0; at < start.size(); ++at)
      for (const char c : {'\0', '\xff', char(start[at] ^ 1)}) {
        std::string bad = start;
        bad[at] = c;
        try {
          const auto file = read(bad);
          for (const auto& tensor : file->tensors)
            EXPECT_EQ(bytes_of(tensor.dtype, tensor.elements()), tensor.bytes.size());
        } catch (const Error&) {
        }
      }
}

TEST(NpzTest, refuses_other_orders_types_and_data) {
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
  };
  // The checksum is looked at before the array, so the message is about it; nothing is read either way.
  EXPECT_THROW(read(with(written(), "False", "True ")), Error);
  EXPECT_THROW(read(with(written(), "<f4", "|O8")), Error);
  EXPECT_THROW(read("PK\x03\x04 not an archive"), Error);
}

}  // namespace
}  // namespace ken::io::npz_test_file
