// Files: mapped reads, writes that appear whole or not at all, hashes.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ken {

namespace fs = std::filesystem;

// A read-only mapping of a whole regular file; throws Error with the path when it cannot be opened.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

// Gives the pages that lie wholly in [data, data + size) back to the system where they are of a MappedFile: they are
// read again when they are needed again. Anything else is left alone.
void forget_pages(const void* data, size_t size);

// The whole file as text; throws when it is missing or longer than `limit` bytes.
std::string read_text(const fs::path& path, size_t limit = size_t{1} << 32);

// Writes beside the target, flushes, renames: a reader sees the old file or the new one. A target that exists and is no
// regular file (a pipe, /dev/full) is written in place. Throws when the disk is full, and leaves no partial file.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();  // without commit(), the temporary is removed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  fs::path path_, temporary_;
  int fd_ = -1;
};
void write_text(const fs::path& path, std::string_view text);

// Appends whole lines and flushes them to disk; used for rows, where finished blocks must survive a kill.
void append_text(const fs::path& path, std::string_view text);

// Lower-case hexadecimal SHA-256.
std::string sha256(std::span<const std::byte> bytes);
std::string sha256_file(const fs::path& path);

}  // namespace ken
