// A batch file -> its commands, in three steps: entries as they are written, one job for each setting of "for", and an
// order in which every job stands after those it waits for.
#include "ken/study/batch.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/base/select.h"
#include "ken/data/trim.h"

namespace ken::study {
namespace {

constexpr size_t most_jobs = 4096, longest_id = 120;
using Values = std::map<std::string, std::string>;
using Names = std::vector<std::string>;

struct Entry {
  std::string id, place;  // where it stands in the file, for errors
  Names words, after;
  Json axes = Json::object();  // what "for" holds
};

struct Draft {
  Job job;
  std::string base, place;  // base: the id before "for" added to it
  Names after;
};

Json parse_batch_json(std::string_view text, const std::string& place) {
  std::string broken;
  Json json = parse_json(text, &broken);
  if (!broken.empty()) fail_usage("run", "{}: {}", place, broken);
  return json;
}

void check_keys(const Json& object, const Names& known, const std::string& place) {
  if (!object.is_object()) fail_usage("run", "{} must be an object, not {}", place, object.type_name());
  for (const auto& [key, value] : object.items())
    if (!is_in(key, known)) fail_usage("run", "{}: {}", place, unknown_name("key", key, known));
}

std::string text_of(const Json& value, const std::string& place) {
  if (value.is_null() || value.is_structured())
    fail_usage("run", "{} must be a text, a number or true or false, not {}", place, value.type_name());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Names texts_of(const Json& list, const std::string& place) {
  if (!list.is_array()) fail_usage("run", "{} must be a list, not {}", place, list.type_name());
  Names texts;
  for (size_t i = 0; i < list.size(); ++i) texts.push_back(text_of(list[i], fmt::format("{}[{}]", place, i)));
  return texts;
}

void check_variable(const std::string& name, const Values& taken, const std::string& place) {
  const bool fits = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  if (!fits) fail_usage("run", "{}: '{}' is no name; use letters, digits and _", place, name);
  if (name == "out" || name == "dir") fail_usage("run", "{}: '{}' is set by ken; choose another name", place, name);
  if (taken.count(name)) fail_usage("run", "{}: '{}' has a value already; choose another name", place, name);
}

// ${name} -> its value, in one pass: what a value holds is not looked at again. $${ stands for ${.
std::string substituted(std::string_view text, const Values& values, const std::string& place) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at, 3) == "$${") {
      result += "${";
      at += 3;
    } else if (text.substr(at, 2) == "${") {
      const size_t end = text.find('}', at);
      if (end == std::string_view::npos)
        fail_usage("run", "{}: '{}' opens ${{ and does not close it; write $${{ for the characters themselves", place,
                   text);
      const auto found = values.find(std::string(text.substr(at + 2, end - at - 2)));
      if (found == values.end()) {
        Names known;
        for (const auto& [name, value] : values) known.push_back(name);
        fail_usage("run", "{}: {}; give it in \"let\" or \"for\"", place,
                   unknown_name("value", text.substr(at + 2, end - at - 2), known));
      }
      result += found->second;
      at = end + 1;
    } else {
      result += text[at++];
    }
  }
  return result;
}

void check_id(const std::string& id, const std::string& place) {
  if (id.empty() || id.size() > longest_id || id[0] == '.' || id[0] == '-')
    fail_usage("run", "{}: the id '{}' must have 1 to {} characters and begin with none of . and -", place, id,
               longest_id);
  for (const char c : id)
    if (!std::isalnum(static_cast<unsigned char>(c)) && std::string_view("._=,+@-").find(c) == std::string_view::npos)
      fail_usage("run", "{}: the id '{}' holds '{}'; it names a folder, so use letters, digits and . _ = , + @ -",
                 place, id, c);
}

class Reader {
 public:
  Reader(const fs::path& file, const fs::path& out, const Names& commands)
      : file_(file.string()), commands_(commands), batch_{file.stem().string(), out, {}} {}

  Batch run(std::string_view text) {
    read(text);
    if (entries_.empty()) fail_usage("run", "{} holds no command; write one a line, such as: study -o ${{out}}", file_);
    for (const Entry& entry : entries_) expand(entry);
    order();
    return std::move(batch_);
  }

 private:
  void read(std::string_view text) {
    const std::string_view whole = data::trimmed(text);
    const std::string_view first = data::trimmed(whole.substr(0, whole.find('\n')));
    if (!whole.starts_with('{') && !whole.starts_with('[')) return read_lines(text);
    // An object that ends with its line while the text goes on is the first of many, one a line.
    const Json line = Json::parse(first, nullptr, false);
    if (line.is_object() && (line.contains("run") || first.size() < whole.size())) return read_lines(text);
    read_document(parse_batch_json(whole, file_));
  }

  void read_lines(std::string_view text) {
    settle_folder();
    size_t number = 0;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      const std::string_view line = data::trimmed(text.substr(0, end));
      text = end == std::string_view::npos ? "" : text.substr(end + 1);
      ++number;
      if (line.empty() || line[0] == '#') continue;
      const std::string place = fmt::format("{}:{}", file_, number), id = std::to_string(number);
      if (line[0] == '{')
        add_command(parse_batch_json(line, place), place, id);
      else
        entries_.push_back({id, place, words_of(line, place), {}});
    }
  }

  void settle_folder() {
    if (batch_.out.empty()) batch_.out = fs::path("runs") / (batch_.name.empty() ? "batch" : batch_.name);
    let_["dir"] = batch_.out.string();
  }

  void read_document(const Json& document) {
    check_keys(document, {"name", "let", "commands"}, file_);
    if (document.contains("name")) {
      batch_.name = text_of(document["name"], file_ + ": name");
      check_id(batch_.name, file_ + ": name");  // it names a folder too
    }
    settle_folder();
    const Json let = document.value("let", Json::object());
    if (!let.is_object()) fail_usage("run", "{}: let must be an object, not {}", file_, let.type_name());
    for (const auto& [name, value] : let.items()) {
      const std::string place = fmt::format("{}: let.{}", file_, name);
      check_variable(name, let_, place);
      let_[name] = substituted(text_of(value, place), let_, place);
    }
    const Json commands = document.value("commands", Json());
    if (!commands.is_array())
      fail_usage("run", "{}: \"commands\" must be a list of objects such as {{\"id\": \"recall\", \"run\": \"study\"}}",
                 file_);
    for (size_t i = 0; i < commands.size(); ++i)
      add_command(commands[i], fmt::format("{}: commands[{}]", file_, i), std::to_string(i + 1));
  }

  void add_command(const Json& command, const std::string& place, const std::string& standard_id) {
    check_keys(command, {"id", "run", "after", "for"}, place);
    Entry entry{standard_id, place, {}, {}};
    if (command.contains("id")) {
      entry.id = text_of(command["id"], place + ".id");
      entry.place += fmt::format(" ({})", entry.id);
    }
    if (!command.contains("run")) fail_usage("run", "{} has no \"run\"; give the command to run", entry.place);
    const Json& run = command["run"];
    entry.words = run.is_array() ? texts_of(run, entry.place + ".run")
                                 : words_of(text_of(run, entry.place + ".run"), entry.place);
    if (command.contains("after")) entry.after = texts_of(command["after"], entry.place + ".after");
    entry.axes = command.value("for", Json::object());
    if (!entry.axes.is_object())
      fail_usage("run", "{}.for must be an object of lists, not {}", entry.place, entry.axes.type_name());
    entries_.push_back(std::move(entry));
  }

  static Names words_of(std::string_view text, const std::string& place) {
    try {
      return split_words(text);
    } catch (const UsageError& error) {
      fail_usage("run", "{}: {}", place, std::string_view(error.what()).substr(6));  // without its "[run] "
    }
  }

  // Every combination of the lists in "for", the last one turning fastest.
  void expand(const Entry& entry) {
    std::vector<std::pair<std::string, Names>> axes;
    size_t count = 1;
    for (const auto& [name, list] : entry.axes.items()) {
      const std::string place = fmt::format("{}.for.{}", entry.place, name);
      check_variable(name, let_, place);
      axes.emplace_back(name, texts_of(list, place));
      count *= axes.back().second.size();
      if (count == 0) fail_usage("run", "{} is empty; give at least one value", place);
      if (count > most_jobs) break;
    }
    if (drafts_.size() + count > most_jobs)
      fail_usage("run", "{}: more than {} commands; cut the batch into several files", entry.place, most_jobs);
    for (size_t i = 0; i < count; ++i) {
      Values values = let_;
      std::string id = entry.id;
      size_t left = count, rest = i;
      for (const auto& [name, list] : axes) {
        left /= list.size();
        values[name] = list[rest / left];
        rest %= left;
        id += fmt::format("-{}={}", name, folder_name(values[name]));
      }
      add_draft(entry, id, std::move(values));
    }
  }

  // A value may be a path; in an id it becomes one name.
  static std::string folder_name(std::string value) {
    for (char& c : value)
      if (!std::isalnum(static_cast<unsigned char>(c)) && std::string_view("._+@-").find(c) == std::string_view::npos)
        c = '_';
    return value;
  }

  void add_draft(const Entry& entry, const std::string& id, Values values) {
    check_id(id, entry.place);
    if (!places_.emplace(id, drafts_.size()).second)
      fail_usage("run", "{}: the id '{}' is taken by {}; ids must differ", entry.place, id,
                 drafts_[places_.at(id)].place);
    values["out"] = (batch_.out / id).string();
    Draft draft{{id, {}, {}}, entry.id, entry.place, {}};
    for (const std::string& word : entry.words) draft.job.args.push_back(substituted(word, values, entry.place));
    for (const std::string& name : entry.after) draft.after.push_back(substituted(name, values, entry.place));
    check_args(draft.job.args, entry.place);
    bases_[entry.id].push_back(drafts_.size());
    drafts_.push_back(std::move(draft));
  }

  void check_args(Names& args, const std::string& place) const {
    if (args.size() > 1 && args[0] == "ken") args.erase(args.begin());  // a line pasted from a shell
    if (args.empty()) fail_usage("run", "{}: the command is empty; write one such as: study -o ${{out}}", place);
    if (args[0] == "run") fail_usage("run", "{}: a batch starts no other batch; put the commands into one file", place);
    if (!is_in(args[0], commands_)) fail_usage("run", "{}: {}", place, unknown_name("command", args[0], commands_));
    for (const std::string& word : args)
      if (word.find('\0') != std::string::npos) fail_usage("run", "{}: an argument holds a NUL character", place);
  }

  // "after" names one job, or by the id before "for" all that it became.
  std::vector<size_t> waits_for(const Draft& draft) const {
    std::vector<size_t> all;
    for (const std::string& name : draft.after) {
      if (const auto one = places_.find(name); one != places_.end()) {
        all.push_back(one->second);
      } else if (const auto many = bases_.find(name); many != bases_.end()) {
        all.insert(all.end(), many->second.begin(), many->second.end());
      } else {
        Names known;
        for (const auto& [id, place] : places_) known.push_back(id);
        for (const auto& [id, places] : bases_)
          if (!places_.count(id)) known.push_back(id);
        fail_usage("run", "{}: after: {}", draft.place, unknown_name("id", name, known));
      }
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  // Depth first in the order of the file: a job comes where it stands, unless one before it waits for it.
  void order() {
    for (Draft& draft : drafts_) draft.job.after = waits_for(draft);
    std::vector<size_t> position(drafts_.size(), npos);
    Names path;
    for (size_t i = 0; i < drafts_.size(); ++i) place(i, position, path);
  }

  void place(size_t at, std::vector<size_t>& position, Names& path) {
    if (position[at] == visiting) {
      path.push_back(drafts_[at].job.id);
      path.erase(path.begin(), std::find(path.begin(), path.end(), drafts_[at].job.id));
      fail_usage("run", "{}: the commands {} wait for each other; remove one \"after\"", file_,
                 fmt::format("{}", fmt::join(path, " -> ")));
    }
    if (position[at] != npos) return;
    position[at] = visiting;
    path.push_back(drafts_[at].job.id);
    for (size_t& before : drafts_[at].job.after) {
      place(before, position, path);
      before = position[before];
    }
    path.pop_back();
    position[at] = batch_.jobs.size();
    batch_.jobs.push_back(std::move(drafts_[at].job));
  }

  static constexpr size_t npos = size_t(-1), visiting = size_t(-2);
  const std::string file_;
  const Names& commands_;
  Batch batch_;
  Values let_;
  std::vector<Entry> entries_;
  std::vector<Draft> drafts_;
  std::map<std::string, size_t> places_;              // id -> draft
  std::map<std::string, std::vector<size_t>> bases_;  // id before "for" -> drafts
};

}  // namespace

Batch parse_batch(std::string_view text, const fs::path& file, const fs::path& out,
                  const std::vector<std::string>& commands) {
  return Reader(file, out, commands).run(text);
}

}  // namespace ken::study
