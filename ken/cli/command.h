// One file per command: it adds its flags to the parser and a function to run. Data goes to stdout, talk to stderr.
#pragma once
#include <CLI/CLI.hpp>
#include <optional>

#include "ken/base/progress.h"
#include "ken/base/registry.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/data/texts.h"
#include "ken/generate/generate.h"
#include "ken/model/model.h"
#include "ken/model/shipped.h"

namespace ken::cli {

struct Command {
  Card card;                               // id, sentence and example; no paper
  int order = 0;                           // place in `ken --help`
  std::function<void(CLI::App& app)> add;  // flags and app.callback(...)
};
inline Command command(const char* id, int order, void (*add)(CLI::App&), const char* sentence, const char* example) {
  return {{.id = id, .family = "cli", .sentence = sentence, .example = example}, order, add};
}
// With flags that `add` describes and `run` gets.
template <typename Flags, typename Given>  // Flags or const Flags&
Command command(const char* id, int order, void (*add)(CLI::App&, Flags&), void (*run)(Given), const char* sentence,
                const char* example) {
  const auto both = [add, run](CLI::App& app) {
    const auto flags = std::make_shared<Flags>();
    add(app, *flags);
    app.callback([run, flags] { run(*flags); });
  };
  return {{.id = id, .family = "cli", .sentence = sentence, .example = example}, order, both};
}

// A number whose help shows its default, refused outside the range.
template <typename T>
void add_number(CLI::App& app, const char* name, T& value, const std::string& help, std::type_identity_t<T> least,
                std::type_identity_t<T> most) {
  app.add_option(name, value, help)->capture_default_str()->check(CLI::Range(least, most));
}

// A model file, or a name of the organisms that ship with ken; empty: the one in the program.
std::shared_ptr<model::Model> open_model(const std::string& name);
// The organisms beside the program, by name: $KEN_MODELS, ../share/ken/models, ../models.
using model::model_path;
using model::shipped_models;
// The facts file, or the facts of the world that the model was trained on.
data::FactSet open_facts(const model::Model& model, const std::string& file);
// The text file, or documents of that world which no training run saw; empty where the model says of none.
data::Texts open_texts(const model::Model& model, const std::string& file);

struct Common {
  std::string compute = "fast";
  int threads = 0;
  bool json = false, int8_cache = false;
};
void add_common(CLI::App& app, Common& common, const std::string& compute);
void add_cache(CLI::App& app, Common& common);  // --int8-cache, of commands that set the model's
void apply(const Common& common);               // thread count
Progress printer();                             // progress on stderr

// Tensors by name into a safetensors file, as f32, in the order given; returns their shapes.
Json write_tensors(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                   const std::map<std::string, std::string>& metadata, const fs::path& path);

// "1,2,3" -> ids; errors name the bad one.
std::vector<int32_t> parse_ids(const std::string& text);
void print(const std::string& text);  // to stdout; throws when stdout is full or closed
void say(const std::string& text);    // to stderr; never fails

}  // namespace ken::cli
