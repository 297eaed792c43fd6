// Running a batch, with a runner that starts no process: what is skipped, run again, held back and written down.
#include "ken/study/batch_run.h"

#include <gtest/gtest.h>

#include <set>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::study::batch_run_test_file {
namespace {

using Words = std::vector<std::string>;

// Remembers what ran; the jobs named in `bad` fail, and `interrupt` is ended by a signal.
struct Recorder {
  Words ran;
  std::set<std::string> bad;
  std::string interrupt;

  Runner runner() {
    return [this](const Words&, const fs::path& folder, const std::function<void()>&) {
      const std::string id = folder.filename().string();
      EXPECT_EQ(Json::parse(read_text(folder / "status.json")).at("state"), "running");
      ran.push_back(id);
      if (id == interrupt) return ChildEnd{143, 15, 1.5};
      return ChildEnd{bad.count(id) ? 1 : 0, 0, 0.5};
    };
  }
  BatchResult run(const Batch& batch, bool keep_going = false) {
    ran.clear();
    return run_batch(batch, runner(), {.keep_going = keep_going, .program_sha256 = "p"});
  }
};

Batch chain(const fs::path& out, const std::string& first = "world") {
  return parse_batch(R"({"commands": [{"id": "a", "run": ")" + first +
                         R"("}, {"id": "b", "run": "study", "after": ["a"]}, {"id": "c", "run": "study x"}]})",
                     "f", out, {"world", "study"});
}

Json status(const fs::path& out, const std::string& id) { return Json::parse(read_text(out / id / "status.json")); }

TEST(BatchRunTest, what_is_done_is_skipped_and_its_status_tells_all) {
  const auto out = test::scratch("batch-run");
  Recorder recorder;
  EXPECT_EQ(recorder.run(chain(out)).done, 3u);
  EXPECT_EQ(recorder.ran, (Words{"a", "b", "c"}));
  const Json a = status(out, "a");
  EXPECT_EQ(a.at("state"), "done");
  EXPECT_EQ(a.at("args"), Json({"world"}));
  EXPECT_EQ(a.at("program_sha256"), "p");
  EXPECT_EQ(a.at("exit_code"), 0);
  EXPECT_EQ(a.at("seconds"), 0.5);
  EXPECT_EQ(recorder.run(chain(out)).skipped, 3u);
  EXPECT_TRUE(recorder.ran.empty());
}

TEST(BatchRunTest, other_arguments_run_again_with_all_that_waits_for_them) {
  const auto out = test::scratch("batch-again");
  Recorder recorder;
  recorder.run(chain(out));
  recorder.run(chain(out, "world --seed 2"));
  EXPECT_EQ(recorder.ran, (Words{"a", "b"}));
}

TEST(BatchRunTest, the_first_failure_ends_the_run_and_the_next_run_goes_on_there) {
  const auto out = test::scratch("batch-fail");
  Recorder recorder{.bad = {"a"}};
  const auto result = recorder.run(chain(out));
  EXPECT_EQ(recorder.ran, Words{"a"});
  EXPECT_EQ(result.failed, 1u);
  EXPECT_EQ(result.left, 2u);
  EXPECT_EQ(status(out, "a").at("state"), "failed");
  recorder.bad.clear();
  recorder.run(chain(out));
  EXPECT_EQ(recorder.ran, (Words{"a", "b", "c"}));
}

TEST(BatchRunTest, keep_going_runs_what_does_not_wait_for_the_failed) {
  const auto out = test::scratch("batch-keep-going");
  Recorder recorder{.bad = {"a"}};
  const auto result = recorder.run(chain(out), true);
  EXPECT_EQ(recorder.ran, (Words{"a", "c"}));
  EXPECT_EQ(result.done, 1u);
  EXPECT_EQ(result.left, 1u);
  EXPECT_FALSE(fs::exists(out / "b"));
}

TEST(BatchRunTest, a_signal_ends_the_run_even_with_keep_going) {
  const auto out = test::scratch("batch-signal");
  Recorder recorder{.interrupt = "b"};
  const auto result = recorder.run(chain(out), true);
  EXPECT_EQ(result.interrupted, 15);
  EXPECT_EQ(result.failed, 0u);
  EXPECT_EQ(result.left, 2u);
  EXPECT_EQ(status(out, "b").at("state"), "interrupted");
  recorder.interrupt.clear();
  recorder.run(chain(out));
  EXPECT_EQ(recorder.ran, (Words{"b", "c"}));
}

TEST(BatchRunTest, damaged_and_unfinished_statuses_count_as_none) {
  const auto out = test::scratch("batch-damaged");
  Recorder recorder;
  recorder.run(chain(out));
  write_text(out / "a" / "status.json", "{\"state\": \"do");
  Json b = status(out, "b");
  b["state"] = "running";
  write_text(out / "b" / "status.json", b.dump());
  write_text(out / "c" / "status.json", "[3]");
  EXPECT_EQ(recorder.run(chain(out)).done, 3u);
}

TEST(BatchRunTest, two_runs_do_not_share_a_folder) {
  const auto out = test::scratch("batch-lock");
  const FileLock other(out / ".lock");
  Recorder recorder;
  EXPECT_THROW(recorder.run(chain(out)), Error);
}

TEST(BatchRunTest, a_plan_writes_nothing) {
  const auto out = test::scratch("batch-plan") / "none";
  const auto plan = plan_batch(chain(out));
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0].at("state"), "to run");
  EXPECT_FALSE(fs::exists(out));
}

TEST(BatchRunTest, progress_counts_every_job_once) {
  const auto out = test::scratch("batch-progress");
  Recorder recorder;
  std::vector<size_t> seen;
  BatchOptions options;
  options.progress = [&](std::string_view, size_t done, size_t total, std::string_view) {
    EXPECT_EQ(total, 3u);
    seen.push_back(done);
  };
  run_batch(chain(out), recorder.runner(), options);
  EXPECT_EQ(seen, (std::vector<size_t>{0, 1, 2, 3}));
}

TEST(BatchRunTest, last_words_are_the_error_and_not_the_hint) {
  const auto out = test::scratch("batch-words");
  write_text(out / "stderr", "study   1/5\rstudy   2/5\nken: [study] no facts\n  ken study --help shows the flags\n");
  EXPECT_EQ(last_words(out), "ken: [study] no facts");
  EXPECT_EQ(last_words(out / "nowhere"), "");
}

}  // namespace
}  // namespace ken::study::batch_run_test_file
