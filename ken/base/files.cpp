#include "ken/base/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "ken/base/error.h"

namespace ken {
namespace {

std::string reason() { return std::strerror(errno); }

void write_all(int fd, const void* data, size_t size, const fs::path& path) {
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("files", "cannot write {}: {}; free space or choose another place", path.string(), reason());
    p += n;
    size -= size_t(n);
  }
}

// Where the live mappings are: first byte -> size.
struct Mappings {
  std::mutex mutex;
  std::map<uintptr_t, size_t> spans;
};
// Never destroyed: a mapping may live in a static object that goes after everything here.
Mappings& mappings() {
  static auto* all = new Mappings;
  return *all;
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("files", "cannot open {}: {}", path.string(), reason());
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    fail("files", "{} is not a regular file", path.string());
  }
  size_ = size_t(info.st_size);
  if (size_ > 0) {
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data_ == MAP_FAILED) {
      data_ = nullptr;
      ::close(fd);
      fail("files", "cannot map {}: {}", path.string(), reason());
    }
  }
  ::close(fd);
  const std::lock_guard lock(mappings().mutex);
  if (data_) mappings().spans[reinterpret_cast<uintptr_t>(data_)] = size_;
}

MappedFile::~MappedFile() {
  if (!data_) return;
  const std::lock_guard lock(mappings().mutex);
  mappings().spans.erase(reinterpret_cast<uintptr_t>(data_));
  ::munmap(data_, size_);
}

void forget_pages(const void* data, size_t size) {
  const auto begin = reinterpret_cast<uintptr_t>(data), page = uintptr_t(::sysconf(_SC_PAGESIZE));
  const std::lock_guard lock(mappings().mutex);
  const auto after = mappings().spans.upper_bound(begin);
  if (after == mappings().spans.begin()) return;
  const auto& [first, length] = *std::prev(after);
  if (begin + size > first + length) return;
  const uintptr_t from = (begin + page - 1) / page * page, to = (begin + size) / page * page;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

std::string read_text(const fs::path& path, size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("files", "cannot open {}: {}", path.string(), reason());
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) break;
    if (n < 0 || text.size() + size_t(n) > limit) {
      const std::string why = n < 0 ? reason() : fmt::format("longer than {} bytes", limit);
      ::close(fd);
      fail("files", "cannot read {}: {}", path.string(), why);
    }
    text.append(buffer, size_t(n));
  }
  ::close(fd);
  return text;
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  static std::atomic<int> counter{0};  // two threads may write the same target
  struct stat info {};
  const bool in_place = ::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  if (in_place && S_ISDIR(info.st_mode)) fail("files", "{} is a folder; name a file", path_.string());
  if (!in_place && !path_.parent_path().empty()) {
    std::error_code ec;
    fs::create_directories(path_.parent_path(), ec);
    if (ec) fail("files", "cannot create the folder {}: {}", path_.parent_path().string(), ec.message());
  }
  if (!in_place) temporary_ = path_.string() + fmt::format(".{}.{}.tmp", ::getpid(), counter++);
  const fs::path& target = in_place ? path_ : temporary_;
  fd_ = ::open(target.c_str(), O_WRONLY | O_CLOEXEC | (in_place ? 0 : O_CREAT | O_TRUNC), 0644);
  if (fd_ < 0) fail("files", "cannot write {}: {}", target.string(), reason());
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t size) { write_all(fd_, data, size, path_); }

void AtomicFile::commit() {
  if (!temporary_.empty() && ::fsync(fd_) != 0) fail("files", "cannot flush {}: {}", path_.string(), reason());
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) {
    const std::string why = reason();
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    fail("files", "cannot write {}: {}", path_.string(), why);
  }
  if (!temporary_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(temporary_.c_str());
    fail("files", "cannot rename {} to {}: {}", temporary_.string(), path_.string(), why);
  }
}

void write_text(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void append_text(const fs::path& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) fail("files", "cannot append to {}: {}", path.string(), reason());
  try {
    write_all(fd, text.data(), text.size(), path);
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::fdatasync(fd);
  ::close(fd);
}

std::string sha256(std::span<const std::byte> bytes) {
  unsigned char digest[32];
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string sha256_file(const fs::path& path) { return sha256(MappedFile(path).bytes()); }

}  // namespace ken
