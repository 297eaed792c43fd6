// One child process at a time: its output goes to files, its end and the signals of this process are waited for.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ken/base/files.h"

namespace ken {

struct ChildEnd {
  int code = 0;         // of a child that a signal ended: 128 + the signal, as shells count
  int interrupted = 0;  // the signal that this process got and passed on; 0: none
  double seconds = 0;
};

// Starts `program` with `arguments` (the first is the program's own name) and waits for its end. stdin is empty.
// SIGINT, SIGTERM and SIGHUP are passed on to the child; a child whose parent is killed is killed too, so that no
// second run meets it. `tick` is called about once a second.
ChildEnd run_child(const fs::path& program, const std::vector<std::string>& arguments, const fs::path& stdout_file,
                   const fs::path& stderr_file, const std::function<void()>& tick = {});

// Locks a file for as long as the object lives; false where another process holds the lock.
class FileLock {
 public:
  explicit FileLock(const fs::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_ = -1;
  bool held_ = false;
};

}  // namespace ken
