// Children: their output and end, the signals passed on to them, locks.
#include "ken/base/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::process_test_file {
namespace {

ChildEnd shell(const std::string& script, const fs::path& folder) {
  return run_child("/bin/sh", {"sh", "-c", script}, folder / "stdout", folder / "stderr");
}

TEST(ProcessTest, output_goes_to_files_and_the_exit_code_is_told) {
  const auto folder = test::scratch("process");
  const ChildEnd end = shell("echo out; echo err >&2; read line || echo no input; exit 7", folder);
  EXPECT_EQ(end.code, 7);
  EXPECT_EQ(end.interrupted, 0);
  EXPECT_EQ(read_text(folder / "stdout"), "out\nno input\n");
  EXPECT_EQ(read_text(folder / "stderr"), "err\n");
  EXPECT_EQ(shell("kill -KILL $$", folder).code, 137);
  EXPECT_EQ(run_child("/nowhere/ken", {"ken"}, folder / "stdout", folder / "stderr").code, 127);
  EXPECT_THROW(shell("true", folder / "missing"), Error);
}

TEST(ProcessTest, a_signal_is_passed_on_and_reported) {
  const auto folder = test::scratch("process-signal");
  // $PPID is this process; the child would sleep for a minute if the signal did not come back to it.
  const ChildEnd end = shell("kill -TERM $PPID; sleep 60", folder);
  EXPECT_EQ(end.interrupted, SIGTERM);
  EXPECT_EQ(end.code, 128 + SIGTERM);
  EXPECT_LT(end.seconds, 30);
}

TEST(ProcessTest, a_child_may_finish_its_work_after_the_signal) {
  const auto folder = test::scratch("process-finish");
  const ChildEnd end = shell("trap 'echo saved; exit 0' TERM; kill -TERM $PPID; while :; do sleep 0.05; done", folder);
  EXPECT_EQ(end.interrupted, SIGTERM);
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(read_text(folder / "stdout"), "saved\n");
}

TEST(ProcessTest, a_child_dies_with_its_parent) {
  const auto folder = test::scratch("process-orphan");
  const pid_t parent = ::fork();
  if (parent == 0) {
    shell("echo $$ > " + (folder / "pid").string() + "; kill -KILL $PPID; exec sleep 60", folder);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(parent, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const pid_t child = std::stoi(read_text(folder / "pid"));
  for (int i = 0; i < 500 && ::kill(child, 0) == 0; ++i) {
    // An orphan that nobody waits for stays as a zombie where process 1 does not reap.
    const std::string state = fs::exists(fmt::format("/proc/{}/stat", child))
                                  ? read_text(fmt::format("/proc/{}/stat", child))
                                  : std::string(") Z");
    if (state.find(") Z") != std::string::npos) return;
    ::usleep(10000);
  }
  EXPECT_NE(::kill(child, 0), 0);
}

TEST(ProcessTest, a_lock_is_held_once) {
  const auto folder = test::scratch("process-lock");
  {
    const FileLock first(folder / "lock"), second(folder / "lock");
    EXPECT_TRUE(first.held());
    EXPECT_FALSE(second.held());
  }
  EXPECT_TRUE(FileLock(folder / "lock").held());
}

}  // namespace
}  // namespace ken::process_test_file
