// What every Control must keep, on every architecture: its null setting changes no bit, and a row does not depend on
// the rows and Controls beside it.
#include "ken/generate/generate.h"
#include "tests/model/architectures.h"

namespace ken::control_laws_test_file {
namespace {

using generate::ControlEntry;

// The fixtures hold weights without words: a letter is a token, whatever the size of the vocabulary.
class Letters final : public text::Tokenizer {
 public:
  explicit Letters(int64_t vocab) {
    for (int64_t id = 0; id < vocab; ++id) pieces.push_back(std::string(1, char('!' + id % 90)) + std::to_string(id));
  }
  std::vector<int32_t> encode(std::string_view text, bool) const override {
    std::vector<int32_t> ids;
    for (const unsigned char c : text) ids.push_back(c % vocab_size());
    return ids;
  }
  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += char('!' + id % 90);
    return text;
  }
  std::vector<Piece> encode_with_offsets(std::string_view text) const override {
    std::vector<Piece> result;
    for (size_t i = 0; i < text.size(); ++i) result.push_back({encode(text.substr(i, 1), false)[0], i, i + 1});
    return result;
  }
};

class ControlLawsTest : public test::ArchitectureTest {
 protected:
  void SetUp() override {
    ArchitectureTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    model->tokenizer = std::make_shared<Letters>(model->config.vocab);
  }

  static generate::Request request(int64_t tokens) {
    generate::Request r{.prompt = {"The red ball is big. Once upon a time", "Once upon a time"}, .max_tokens = tokens};
    r.prompt.question = "Once upon a time";
    r.prompt.beside = [](const std::string& passage) { return passage + " Once upon a time"; };
    return r;
  }

  std::vector<std::vector<generate::Generated>> run(const std::vector<generate::Request>& requests,
                                                    nn::Compute compute = nn::Compute::f32) const {
    generate::GenerateOptions options;
    options.compute = compute;
    return generate::generate(*model, requests, options);
  }

  // The rows of a Control's own twins as requests of their own, so that both runs compute the same rows.
  std::vector<generate::Request> with_twins(const generate::ControlSpec& spec, int64_t tokens) const {
    std::vector<generate::Request> rows{request(tokens)};
    const auto control = spec.make();
    generate::Prompt prompt = rows[0].prompt;
    control->begin({*model, nn::Compute::f32});
    control->rewrite(prompt);
    EXPECT_EQ(prompt.text, rows[0].prompt.text) << "a null setting rewrites nothing";
    for (const auto& twin : control->twins(prompt))
      if (!twin.model || twin.model.get() == model.get()) {
        rows.push_back(request(tokens));
        rows.back().prompt = {twin.text, ""};
      }
    return rows;
  }
};

TEST_P(ControlLawsTest, a_null_setting_leaves_the_logits_bit_equal) {
  for (const auto* entry : Registry<ControlEntry>::get().all())
    for (const auto compute : {nn::Compute::f32, nn::Compute::fast}) {
      const auto spec = generate::control_from(entry->card.id, entry->card.null_setting);
      generate::Request null = request(1);
      null.controls = {spec};
      const auto with = run({null}, compute)[0][0], without = run(with_twins(spec, 1), compute)[0][0];
      EXPECT_EQ(with.tokens, without.tokens) << entry->card.id;
      EXPECT_EQ(with.logprobs, without.logprobs) << entry->card.id;
    }
}

// All Controls of the registry side by side, and each alone: the same answers, to the arithmetic's rounding.
TEST_P(ControlLawsTest, a_row_does_not_lean_on_the_controls_beside_it) {
  std::vector<generate::Request> requests;
  std::vector<std::string> names;
  for (const auto* entry : Registry<ControlEntry>::get().all()) {
    requests.push_back(request(4));
    requests.back().controls = {generate::control_from(entry->card.id, Json::object())};
    names.push_back(entry->card.id);
  }
  const auto together = run(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = run({requests[i]})[0][0];
    ASSERT_EQ(alone.tokens, together[i][0].tokens) << names[i];
    for (size_t t = 0; t < alone.logprobs.size(); ++t)
      EXPECT_NEAR(alone.logprobs[t], together[i][0].logprobs[t], 1e-4 * (1 + std::abs(alone.logprobs[t])))
          << names[i] << ", token " << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, ControlLawsTest, testing::ValuesIn(test::architectures()),
                         [](const auto& info) { return fmt::format("{}_{}", info.param.name, info.index); });

}  // namespace
}  // namespace ken::control_laws_test_file
