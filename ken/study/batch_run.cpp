#include "ken/study/batch_run.h"

#include <fstream>

#include "ken/base/error.h"

namespace ken::study {
namespace {

// A job whose predecessor has other arguments now must run again, though its own are the same: the hash is a chain. It
// is of the arguments' bytes; what of them is no UTF-8 is replaced in the file.
std::vector<std::string> hashes(const Batch& batch) {
  std::vector<std::string> all;
  for (const Job& job : batch.jobs) {
    std::string text;
    for (const std::string& word : job.args) text += word + '\0';
    for (const size_t before : job.after) text += all[before] + '\n';
    all.push_back(sha256(std::as_bytes(std::span(text))));
  }
  return all;
}

Json fresh_status(const Job& job, const std::string& hash, const char* state) {
  return {{"id", job.id},
          {"state", state},
          {"args", job.args},
          {"args_sha256", hash},
          {"program_sha256", nullptr},
          {"exit_code", nullptr},
          {"seconds", nullptr}};
}

// The status on disk if it says done with these arguments; a damaged file counts as none.
Json found_done(const fs::path& folder, const std::string& hash) {
  std::error_code ec;
  if (!fs::is_regular_file(folder / "status.json", ec)) return nullptr;
  Json status = Json::parse(read_text(folder / "status.json", 1 << 24), nullptr, false);
  const bool done = status.is_object() && status.value("state", Json()) == "done" &&
                    status.value("args_sha256", Json()) == hash && status.value("exit_code", Json()) == 0;
  return done ? status : Json();
}

class BatchRun {
 public:
  BatchRun(const Batch& batch, const Runner& runner, const BatchOptions& options)
      : batch_(batch), runner_(runner), options_(options), found_(plan_batch(batch)), good_(batch.jobs.size()) {}

  BatchResult run() {
    fs::create_directories(batch_.out);
    const FileLock lock(batch_.out / ".lock");
    if (!lock.held())
      fail("run", "another ken run works in {}; wait for it or name another folder", batch_.out.string());
    skip_done();
    for (size_t i = 0; i < batch_.jobs.size(); ++i) {
      if (good_[i]) continue;
      if (stopped() || !ready(batch_.jobs[i])) {
        ++result_.left;
        found_[i]["state"] = "not run";
        report(found_[i]);
      } else {
        run_job(i);
      }
    }
    if (result_.failed + result_.left == 0) tell("");
    return result_;
  }

 private:
  bool stopped() const { return result_.interrupted || (result_.failed && !options_.keep_going); }
  bool ready(const Job& job) const {
    return std::all_of(job.after.begin(), job.after.end(), [&](size_t before) { return good_[before]; });
  }
  void report(const Json& status) const {
    if (options_.report) options_.report(status);
  }
  void tell(const std::string& id) const {
    if (options_.progress)
      options_.progress("run", result_.done + result_.skipped + result_.failed, batch_.jobs.size(), id);
  }

  // Before anything runs, so that the speed that the progress shows is of this run alone.
  void skip_done() {
    for (size_t i = 0; i < batch_.jobs.size(); ++i) {
      if (found_[i].at("state") != "done") continue;
      good_[i] = true;
      ++result_.skipped;
      report(found_[i]);
    }
  }

  void run_job(size_t i) {
    const Job& job = batch_.jobs[i];
    const fs::path folder = batch_.folder(job);
    Json status = fresh_status(job, found_[i].at("args_sha256"), "running");
    status["program_sha256"] = options_.program_sha256;
    write_text(folder / "status.json", dumped(status, 1) + "\n");
    tell(job.id);
    const ChildEnd end = runner_(job.args, folder, [&] { tell(job.id); });
    good_[i] = end.code == 0;
    status["state"] = good_[i] ? "done" : end.interrupted ? "interrupted" : "failed";
    status["exit_code"] = end.code;
    status["seconds"] = end.seconds;
    write_text(folder / "status.json", dumped(status, 1) + "\n");
    result_.interrupted = end.interrupted;
    if (good_[i])
      ++result_.done;
    else if (end.interrupted)
      ++result_.left;
    else
      ++result_.failed;
    report(status);
  }

  const Batch& batch_;
  const Runner& runner_;
  const BatchOptions& options_;
  std::vector<Json> found_;
  std::vector<char> good_;  // done, now or before
  BatchResult result_;
};

}  // namespace

std::vector<Json> plan_batch(const Batch& batch) {
  const auto hash = hashes(batch);
  std::vector<Json> plan;
  for (size_t i = 0; i < batch.jobs.size(); ++i) {
    const Json done = found_done(batch.folder(batch.jobs[i]), hash[i]);
    plan.push_back(done.is_null() ? fresh_status(batch.jobs[i], hash[i], "to run") : done);
  }
  return plan;
}

BatchResult run_batch(const Batch& batch, const Runner& runner, const BatchOptions& options) {
  return BatchRun(batch, runner, options).run();
}

std::string last_words(const fs::path& folder) {
  std::ifstream file(folder / "stderr", std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg(), kept = std::min<std::streamoff>(size, 4096);
  file.seekg(size - kept);
  std::string text(size_t(kept), '\0'), last;
  file.read(text.data(), kept);
  // The hint to --help says nothing about what went wrong; progress is rewritten in place with \r.
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.find_first_not_of(' ') == 0) last = line;
    at = end + 1;
  }
  return last;
}

}  // namespace ken::study
