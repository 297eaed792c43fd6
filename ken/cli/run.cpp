// ken run: a batch of ken's commands from one file, each in a process and a folder of its own; killed, it goes on.
#include "ken/cli/command.h"
#include "ken/study/batch_run.h"

namespace ken::cli::run_file {
namespace {

constexpr const char* self = "/proc/self/exe";

struct Flags {
  std::string file, out;
  bool keep_going = false, dry_run = false, json = false;
};

study::Batch read_batch(const Flags& flags) {
  std::vector<std::string> commands;
  for (const Command* command : Registry<Command>::get().all()) commands.push_back(command->card.id);
  if (!fs::is_regular_file(flags.file))
    fail_usage("run", "{} is no file; give a file of commands (docs/run.md shows its forms)", flags.file);
  return study::parse_batch(read_text(flags.file, 1 << 24), flags.file, flags.out, commands);
}

void show_plan(const study::Batch& batch, bool json) {
  std::string text;
  size_t at = 0;
  for (const Json& status : study::plan_batch(batch)) {
    const auto& job = batch.jobs[at++];
    text += json ? io::jsonl_line(status)
                 : fmt::format("{:<7} {}\n          ken {}\n", status.at("state").get<std::string>(), job.id,
                               study::join_words(job.args));
  }
  print(text);
}

// One job's state in a line; a failed one with what it said last.
std::string sentence(const study::Batch& batch, const Json& status) {
  const std::string id = status.at("id"), state = status.at("state");
  std::string text = fmt::format("{:<11} {}", state, id);
  if (status.at("seconds").is_number()) text += fmt::format("  {:.1f} s", status.at("seconds").get<double>());
  if (state == "failed") {
    const fs::path folder = batch.out / id;
    text += fmt::format("  exit code {}: {}\n            see {}", status.at("exit_code").dump(),
                        study::last_words(folder), (folder / "stderr").string());
  }
  return text + "\n";
}

void finish(const study::Batch& batch, const study::BatchResult& result) {
  say(fmt::format("{} done, {} done before, {} failed, {} not run; {}\n", result.done, result.skipped, result.failed,
                  result.left, batch.out.string()));
  if (result.interrupted) fail("run", "interrupted by signal {}; the same command goes on", result.interrupted);
  if (result.failed)
    fail("run", "{} of {} commands failed; mend them and start the same command again: what is done is kept",
         result.failed, batch.jobs.size());
}

void run(const Flags& flags) {
  const study::Batch batch = read_batch(flags);
  if (flags.dry_run) return show_plan(batch, flags.json);
  study::BatchOptions options{.keep_going = flags.keep_going, .program_sha256 = sha256_file(self)};
  options.progress = printer();
  size_t by_another = 0;
  options.report = [&](const Json& status) {
    by_another += status.at("state") == "done" && status.at("program_sha256") != options.program_sha256;
    print(flags.json ? io::jsonl_line(status) : sentence(batch, status));
  };
  const study::Runner runner = [](const std::vector<std::string>& args, const fs::path& folder,
                                  const std::function<void()>& tick) {
    std::vector<std::string> words{"ken"};
    words.insert(words.end(), args.begin(), args.end());
    return run_child(self, words, folder / "stdout", folder / "stderr", tick);
  };
  const auto result = study::run_batch(batch, runner, options);
  if (by_another)
    say(fmt::format("{} were done by another build of ken; to run one again, remove its folder\n", by_another));
  finish(batch, result);
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("FILE", flags.file, "the commands: a JSON object, JSON lines, or one command a line")->required();
  app.add_option("-o,--out", flags.out,
                 "folder for ID/stdout, ID/stderr and ID/status.json of each command; without it, runs/NAME");
  app.add_flag("--keep-going", flags.keep_going, "after a failure, run what does not wait for the failed command");
  app.add_flag("--dry-run", flags.dry_run, "check the file and show what would run");
  app.add_flag("--json", flags.json, "print one JSON object a line, as in ID/status.json");
}

const Register<Command> entry{
    command("run", 75, add, run, "Run a batch of ken's commands from one file; started again, it goes on.",
            "echo 'world --people 20 --documents 300 -o ${out}' > batch.txt && ken run batch.txt")};

}  // namespace
}  // namespace ken::cli::run_file
