// EREN (arXiv 2403.17431): edits are notes beside the model, and a question is answered from them only if they answer
// it. Per question q:
//   1. the k notes nearest to q by BM25; with rounds, again for q with the notes found, so that a note that only
//      another note names is found too;
//   2. the reading stream answers q beside them, with the option that they do not answer it;
//   3. if it takes that option, the closed-book stream's answer stands, else the reading stream's.
// The paper reads with an instruction-tuned model that may say "unanswerable". Other models never say it, so the option
// is a parameter (p_r = reading, p_c = closed book, first token, y = the reading's likeliest, score compared with
// margin):
//   word   log p_r(y) - log p_r(word): whether the word wins, its tokens tried behind the prompt
//   sure   log p_r(y):                 whether the reading is sure
//   gain   log p_r(y) - log p_c(y):    whether the notes make the answer likelier
// The paper embeds the notes by Contriever; BM25 needs no second model, but its first note is often another one about
// the same subject, or the same thing said of somebody else. Two parameters, both off in the paper's form, mend that:
//   names  only notes that hold every name of q (its words with a capital, the first word apart) are found, in further
//          rounds those that hold a name that the notes found brought
//   apart  each note is read by a stream of its own, further rounds adding one note to each, and the reading of the
//          highest score stands for all: the reader, not the word count, says which note answers
#include "ken/data/notes.h"
#include "ken/generate/control.h"

namespace ken::generate::eren_file {
namespace {

class Eren final : public Control {
 public:
  Eren(std::shared_ptr<const data::Notes> notes, const Json& p)
      : notes_(std::move(notes)),
        k_(p["k"]),
        rounds_(p["rounds"]),
        names_(p["names"]),
        apart_(p["apart"]),
        instruction_(p["instruction"]),
        option_(p["option"]),
        word_(p["word"]),
        margin_(p["margin"]) {}

  void begin(const Setting& setting) override {
    if (option_ == "word" && setting.model.tokenizer) word_tokens_ = setting.model.tokenizer->encode(word_);
  }

  // The main stream is the first reading; the question as it was asked and the other readings become twins.
  void rewrite(Prompt& prompt) override {
    twins_ = {prompt.text};
    if (notes_->empty()) return;
    if (prompt.question.empty() || !prompt.beside)
      fail_usage("eren", "the prompt is a text, no question, so that no notes can be put beside it; ask a question");
    for (const auto& found : readings(prompt.question)) {
      std::string passage = notes_->joined(found) + instruction_;
      passage.erase(passage.find_last_not_of(' ') + 1);
      if (found_any_) {
        twins_.push_back(prompt.beside(passage));
        continue;
      }
      prompt.text = prompt.beside(passage);
      found_any_ = true;
    }
  }
  std::vector<Twin> twins(const Prompt&) override { return {twins_.begin(), twins_.end()}; }

  // What would come after each beginning of the word, in each reading.
  std::vector<Trial> trials(const Step& step) override {
    std::vector<Trial> trials;
    if (step.index > 0 || option_ != "word") return trials;
    for (size_t r = 0; r < twins_.size(); ++r)
      for (size_t n = 1; n < word_tokens_.size(); ++n)
        trials.push_back({r == 0 ? 0 : r + 1, {word_tokens_.begin(), word_tokens_.begin() + long(n)}});
    return trials;
  }

  Tensor combine(Step& step) override {
    if (step.index == 0) {
      double most = -INFINITY;
      for (size_t r = 0; r < twins_.size(); ++r)
        if (const double score = answerable(step, r); score > most) most = score, best_ = r;
      reads_ = found_any_ && most >= margin_;
      step.notes["answerable"] = most;
    }
    step.notes["from-notes"] = reads_;
    return reads_ ? reading(step, best_) : step.twins[0];
  }

 private:
  std::vector<data::Notes::Found> readings(const std::string& question) const {
    std::vector<data::Notes::Found> result;
    const data::Notes::Found first = notes_->nearest(question, k_, names_);
    if (apart_)
      for (const size_t note : first) result.push_back({note});
    else if (!first.empty())
      result.push_back(first);
    for (auto& found : result)
      for (int64_t round = 1; round < rounds_; ++round)
        found = notes_->further(question, found, apart_ ? 1 : k_, names_);
    return result;
  }

  static const Tensor& reading(const Step& step, size_t r) { return r == 0 ? step.logits : step.twins[r]; }

  double answerable(const Step& step, size_t r) const {
    const Tensor read = at::log_softmax(reading(step, r), -1), closed = at::log_softmax(step.twins[0], -1);
    const int64_t best = read.argmax().item<int64_t>();
    const double sure = read[best].item<double>();
    if (option_ == "sure") return sure;
    if (option_ == "gain") return sure - closed[best].item<double>();
    if (word_tokens_.empty()) fail_usage("eren", "the word '{}' has no token", word_);
    double word = read[word_tokens_[0]].item<double>();
    for (size_t n = 1; n < word_tokens_.size(); ++n) {
      const Tensor& tried = step.tried[r * (word_tokens_.size() - 1) + n - 1];
      word += at::log_softmax(tried, -1)[word_tokens_[n]].item<double>();
    }
    return sure - word;
  }

  std::shared_ptr<const data::Notes> notes_;
  size_t k_;
  int64_t rounds_;
  bool names_, apart_;
  std::string instruction_, option_, word_;
  double margin_;
  std::vector<int32_t> word_tokens_;
  std::vector<std::string> twins_ = {""};  // closed book, then the readings but the first
  size_t best_ = 0;                        // the reading that stands for all
  bool found_any_ = false, reads_ = false;
};

const Register<ControlEntry> entry{
    {.card =
         {.id = "eren",
          .family = "steer",
          .title = "EREN: edits as notes",
          .paper = "arXiv 2403.17431",
          .sentence = "Answers from the nearest of a file's notes where they answer the question, and closed-book "
                      "where they do not; no weight changes.",
          .params = {{"notes", "", "a file of one sentence a line, or records with \"text\"; empty: no notes"},
                     {"k", 3, "notes that are read, together in each round, or apart", 1, 100},
                     {"rounds", 1, "how often notes are looked for, each time with those found", 1, 4},
                     {"names", false, "only notes that hold the question's names"},
                     {"apart", false, "read each note by itself; the reading of the highest score stands for all"},
                     {"instruction", "",
                      "words between the notes and the question, such as what to do without an "
                      "answer"},
                     {"option",
                      "sure",
                      "what tells that notes do not answer: a word that wins, an unsure reading, no gain over closed "
                      "book",
                      -1e300,
                      1e300,
                      {"sure", "word", "gain"}},
                     {"word", " unanswerable", "of option word, as it would begin the answer"},
                     {"margin", -0.5, "read where the option's score is at least this, nats", -1e9, 1e9}},
          .example = "ken ask --control eren \"where was Ada Lovelace born ?\"",
          .null_setting = {{"notes", ""}, {"margin", 1e9}}},
     .open = [](const Json& p) -> MakeControl {
       const std::string file = p["notes"];
       auto notes =
           std::make_shared<const data::Notes>(file.empty() ? std::vector<std::string>() : data::read_notes(file));
       return [notes, p] { return std::make_unique<Eren>(notes, p); };
     }}};

}  // namespace
}  // namespace ken::generate::eren_file
