// Instruction following without instruction tuning (Hewitt et al., arXiv 2409.14254): a base model times three rules
// that were written by hand, and nothing trained,
//   log p(y_t) = log p_base(y_t) + r(y_t, y_<t) + const,   r [vocab] =
//     end:       15 n / 250 on the tokens that end a text, n the tokens of the response so far, 15 from n = 250 on
//     changes:   a constant by token at every position, such as -4 on "<" and -5 on "I"
//     diversity: -1.5 on each distinct token seen since the question began, the question's own included
// The authors' code adds nothing at the end once n passes 250; here the bonus stays, or a long text would never end.
// The rules are written with strings, not with Llama 2's token ids: a string means each token that spells it, with and
// without a blank before it. Of the built-in rules, strings that a vocabulary has no token for are left out.
#include <mutex>

#include "ken/base/read_json.h"
#include "ken/generate/control.h"

namespace ken::generate::implicit_instruction_tuning_file {
namespace {

constexpr const char* id = "implicit-instruction-tuning";
constexpr const char* built_in = R"({
  "end": 15, "after": 250,
  "ends": ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "</s>", "<|endoftext|>", "<eos>"],
  "changes": {"<": -4, "|": -4, "I": -5, "What": -5, "We": -3, "should": -6, "\n": 1, "  ": 1, "*": 1, "-": 1, "•": 1,
              "#": 1, "##": 1, "!": 1},
  "diversity": 1.5, "exempt": []})";

// The rules over one vocabulary, f32 [vocab] each.
struct Vectors {
  Tensor changes, ends, diverse;  // ends: 1 on tokens that end a text; diverse: the penalty of a token that was seen
};

class Rules {
 public:
  explicit Rules(const std::string& file) : given_(!file.empty()), name_(given_ ? file : "the built-in rules") {
    const Json standard = Json::parse(built_in);
    json_ = standard;
    if (!given_) return;
    const Json own = read_json(file, size_t{1} << 24, id);
    for (const auto& [key, value] : own.items()) {
      if (!standard.contains(key)) fail_usage(id, "{}: there is no rule '{}'; known are {}", file, key, keys(standard));
      const bool fits =
          value.is_number() == standard[key].is_number() && (value.is_number() || value.type() == standard[key].type());
      if (!fits) fail_usage(id, "{}: '{}' takes a value such as {}", file, key, standard[key].dump());
      json_[key] = value;
    }
    for (const auto& [text, change] : json_["changes"].items())
      if (!change.is_number()) fail_usage(id, "{}: the change of '{}' is {}, not a number", file, text, change.dump());
    for (const char* list : {"ends", "exempt"})
      for (const Json& text : json_[list])
        if (!text.is_string()) fail_usage(id, "{}: '{}' holds {}, not a text", file, list, text.dump());
    if (number("after") < 1)
      fail_usage(id, "{}: after = {}; the response must have a length, 1 or more", file, number("after"));
  }
  double number(const char* key) const { return json_[key].get<double>(); }

  // Resolved once for each vocabulary.
  Vectors over(const model::Model& model) const {
    if (!model.tokenizer) fail_usage(id, "{} has no tokenizer; rules are written with strings", model.config.name);
    const std::lock_guard lock(mutex_);
    const auto [place, fresh] = known_.try_emplace(model.tokenizer);
    if (fresh) place->second = resolved(*model.tokenizer, model.config.vocab);
    return place->second;
  }

 private:
  static std::string keys(const Json& object) {
    std::string text;
    for (const auto& [key, value] : object.items()) text += (text.empty() ? "" : ", ") + key;
    return text;
  }

  Vectors resolved(const text::Tokenizer& tokenizer, int64_t vocab) const {
    std::multimap<std::string, int64_t> tokens;  // by text, and by text without the blank before it
    for (int32_t t = 0; t < tokenizer.vocab_size(); ++t) {
      const std::string text = tokenizer.decode({&t, 1});
      tokens.emplace(text, t);
      if (text.size() > 1 && text[0] == ' ') tokens.emplace(text.substr(1), t);
    }
    const auto set = [&](Tensor& values, const std::string& text, double value, bool needed) {
      const auto [begin, end] = tokens.equal_range(text);
      if (begin == end && needed) fail_usage(id, "{}: no token spells '{}' in this vocabulary", name_, text);
      for (auto at = begin; at != end; ++at) values[at->second] = value;
    };
    Vectors v{at::zeros({vocab}, at::kFloat), at::zeros({vocab}, at::kFloat),
              at::full({vocab}, number("diversity"), at::kFloat)};
    for (const auto& [text, change] : json_["changes"].items()) set(v.changes, text, change, given_);
    for (const Json& text : json_["ends"]) set(v.ends, text, 1, false);
    for (const Json& text : json_["exempt"]) set(v.diverse, text, 0, given_);
    if (tokenizer.eos) v.ends[*tokenizer.eos] = 1;
    return v;
  }

  bool given_;
  std::string name_;
  Json json_;
  mutable std::mutex mutex_;
  mutable std::map<std::shared_ptr<const text::Tokenizer>, Vectors> known_;
};

class ImplicitInstructionTuning final : public Control {
 public:
  ImplicitInstructionTuning(std::shared_ptr<const Rules> rules, double scale, const std::string& without)
      : rules_(std::move(rules)),
        scale_(scale),
        end_(without != "end"),
        changes_(without != "changes"),
        diversity_(without != "diversity") {}

  void begin(const Setting& setting) override {
    model_ = &setting.model;
    vectors_ = rules_->over(*model_);
    seen_ = at::zeros({model_->config.vocab}, at::kFloat);
  }

  // The question, or all of a prompt that is no question.
  void rewrite(Prompt& prompt) override {
    const bool whole = prompt.question.empty();
    const std::string& text = whole ? prompt.text : prompt.question;
    if (!text.empty()) see(whole && prompt.chat ? prompt.chat->encode(text) : model_->tokenizer->encode(text));
  }

  Tensor combine(Step& step) override {
    if (step.chosen && !step.chosen->empty()) see({step.chosen->back()});
    const double n = double(step.index), after = rules_->number("after");
    Tensor r = at::zeros_like(step.logits);  // [vocab]
    if (end_) r = r + vectors_.ends * (rules_->number("end") * std::min(n, after) / after);
    if (changes_) r = r + vectors_.changes;
    if (diversity_) r = r - vectors_.diverse * seen_;
    return step.logits + scale_ * r;
  }

 private:
  void see(const std::vector<int32_t>& tokens) {
    for (const int32_t t : tokens) seen_[t] = 1;
  }

  std::shared_ptr<const Rules> rules_;
  double scale_;
  bool end_, changes_, diversity_;
  const model::Model* model_ = nullptr;
  Vectors vectors_;
  Tensor seen_;  // [vocab], 1 on tokens seen
};

MakeControl open(const Json& p) {
  const auto rules = std::make_shared<const Rules>(p["rules"].get<std::string>());
  return [rules, scale = p["scale"].get<double>(), without = p["without"].get<std::string>()] {
    return std::make_unique<ImplicitInstructionTuning>(rules, scale, without);
  };
}

const Register<ControlEntry> entry{
    {.card =
         {.id = id,
          .family = "steer",
          .title = "Rule-based product of experts",
          .paper = "arXiv 2409.14254",
          .sentence = "Makes a base model answer instead of going on: a growing bonus for ending, constant changes of "
                      "a few tokens, and a penalty on what was said already.",
          .params =
              {{"scale", 1.0, "factor of all rules", -20, 20},
               {"rules", "", "JSON file with end, after, ends, changes, diversity, exempt; empty: the paper's"},
               {"without", "none", "a rule that is left out", -1e300, 1e300, {"none", "end", "changes", "diversity"}}},
          .example = "ken generate \"where was Ada Lovelace born ?\" --control implicit-instruction-tuning",
          .null_setting = {{"scale", 0.0}}},
     .open = open}};

}  // namespace
}  // namespace ken::generate::implicit_instruction_tuning_file
