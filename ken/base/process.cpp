#include "ken/base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "ken/base/error.h"

namespace ken {
namespace {

// Blocks the signals and takes them one by one: nothing can come between a check and a wait. A signal that this process
// was told to ignore (by nohup, or in the background of a shell) stays ignored.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGCHLD);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction now {};
      ::sigaction(signal, nullptr, &now);
      if (now.sa_handler != SIG_IGN) ::sigaddset(&set_, signal);
    }
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
    // Where SIGCHLD is ignored, a child's exit code is lost.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &standard, &child_before_);
  }
  ~Signals() {
    ::sigaction(SIGCHLD, &child_before_, nullptr);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  // The next signal, or 0 after a second.
  int next() const {
    const timespec second{1, 0};
    const int signal = ::sigtimedwait(&set_, nullptr, &second);
    return signal < 0 ? 0 : signal;
  }
  const sigset_t& before() const { return before_; }

 private:
  sigset_t set_{}, before_{};
  struct sigaction child_before_ {};
};

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail("process", "cannot open {}: {}", path.string(), std::strerror(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Between fork and exec only what is safe in a signal handler.
[[noreturn]] void become(const char* program, char* const* arguments, const int (&streams)[3], pid_t parent,
                         const sigset_t& mask) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  for (int i = 0; i < 3; ++i)
    if (::dup2(streams[i], i) < 0) ::_exit(127);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execv(program, arguments);
  constexpr char message[] = "ken: the program cannot be started\n";
  [[maybe_unused]] const ssize_t written = ::write(2, message, sizeof message - 1);
  ::_exit(127);
}

}  // namespace

ChildEnd run_child(const fs::path& program, const std::vector<std::string>& arguments, const fs::path& stdout_file,
                   const fs::path& stderr_file, const std::function<void()>& tick) {
  const Descriptor in("/dev/null", O_RDONLY), out(stdout_file, O_WRONLY | O_CREAT | O_TRUNC),
      err(stderr_file, O_WRONLY | O_CREAT | O_TRUNC);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);

  const Signals signals;
  const auto begin = std::chrono::steady_clock::now();
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) fail("process", "cannot start a process: {}", std::strerror(errno));
  if (child == 0) become(program.c_str(), pointers.data(), {in.fd(), out.fd(), err.fd()}, parent, signals.before());
  ChildEnd end;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    const int signal = signals.next();
    if (signal != 0 && signal != SIGCHLD) {
      end.interrupted = signal;
      ::kill(child, signal);
    } else if (tick) {
      tick();
    }
  }
  end.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  end.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return end;
}

FileLock::FileLock(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) fail("process", "cannot open {}: {}", path.string(), std::strerror(errno));
  held_ = ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace ken
