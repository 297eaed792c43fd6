// The training loop: it learns, resumes to the same bytes, and two ranks are one with twice the batch.
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "ken/nn/autograd.h"
#include "ken/train/logprobs.h"
#include "ken/train/organism.h"
#include "ken/train/trainer.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::train::train_test_file {
namespace {

std::shared_ptr<const SampleSource> source_of(const model::Model& model) {
  return world_source(std::make_shared<const world::World>(test::tiny_world()), model.tokenizer, 3);
}

TrainOptions options(const fs::path& out = {}) {
  TrainOptions o;
  o.batch_tokens = 512;
  o.out = out;
  o.threads = 1;
  o.checkpoint_every = 3;
  return o;
}

std::vector<Tensor> weights_of(model::Model& model) {
  std::vector<Tensor> result;
  for (auto& [name, w] : model.matrices()) result.push_back(w->data.detach().clone());
  return result;
}

TEST(TrainTest, the_loss_falls_and_checkpoints_resume_to_the_same_bytes) {
  const auto whole = test::scratch("train-whole"), cut = test::scratch("train-cut");
  auto group = alone();
  const auto run = [&](const fs::path& out, int64_t steps) {
    auto model = test::tiny_model();
    TrainOptions o = options(out);
    o.max_steps = steps;
    return std::pair(train(*model, train_all(*model), *next_token(), source_of(*model), o, *group), weights_of(*model));
  };
  const auto [result, weights] = run(whole, 0);
  const std::string log = read_text(whole / "log.jsonl");
  const double first = Json::parse(log.substr(0, log.find('\n'))).at("loss").get<double>();
  EXPECT_LT(result.metrics.at("loss"), first - 0.5);
  EXPECT_GT(result.steps, 10);
  // A kill leaves the last checkpoint and a log that may be longer: cut both files back to such a state.
  auto model = test::tiny_model();
  TrainOptions o = options(cut);
  struct Stop {};
  const Progress killer = [](std::string_view, size_t done, size_t total, std::string_view) {
    if (done > total / 2) throw Stop{};
  };
  EXPECT_THROW(train(*model, train_all(*model), *next_token(), source_of(*model), o, *group, killer), Stop);
  append_text(cut / "log.jsonl", "{\"step\":");
  const auto [resumed, again] = run(cut, 0);
  EXPECT_GT(resumed.first_step, 0);
  EXPECT_EQ(read_text(cut / "log.jsonl"), log);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_TRUE(at::equal(weights[i], again[i])) << i;
}

TEST(TrainTest, a_folder_of_another_run_is_refused) {
  const auto out = test::scratch("train-other");
  auto group = alone();
  auto model = test::tiny_model();
  TrainOptions o = options(out);
  o.max_steps = 2;
  train(*model, train_all(*model), *next_token(), source_of(*model), o, *group);
  o.batch_tokens = 256;
  auto other = test::tiny_model();
  EXPECT_THROW(train(*other, train_all(*other), *next_token(), source_of(*other), o, *group), UsageError);
}

TEST(TrainTest, two_ranks_are_one_rank_with_twice_the_batch_to_rounding) {
  const auto run = [](Group& group, int64_t batch) {
    auto model = test::tiny_model();
    TrainOptions o = options();
    o.batch_tokens = batch;
    o.max_steps = 4;
    o.compute = nn::Compute::f32;
    o.optimizer.kind = "adamw";
    train(*model, train_all(*model), *next_token(), source_of(*model), o, group);
    return weights_of(*model);
  };
  const uint16_t port = uint16_t(20000 + ::getpid() % 20000);
  std::vector<Tensor> two[2];
  std::thread other([&] { two[1] = run(*join("127.0.0.1", port, 1, 2), 512); });
  two[0] = run(*join("127.0.0.1", port, 0, 2), 512);
  other.join();
  auto single = alone();
  const auto one = run(*single, 1024);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(two[0][i], two[1][i])) << i;
    EXPECT_TRUE(at::allclose(two[0][i], one[i], 1e-3, 2e-5))
        << i << ": " << (two[0][i] - one[i]).abs().max().item<double>();
  }
}

TEST(TrainTest, the_chunked_loss_is_the_full_cross_entropy_with_its_gradients) {
  at::manual_seed(5);
  nn::Matrix output;
  output.out = 50, output.in = 16;
  output.data = at::randn({50, 16}).requires_grad_();
  const Tensor hidden = at::randn({700, 16}).requires_grad_(), targets = at::randint(0, 50, {700}, at::kLong),
               weights = at::rand({700});
  for (const double cap : {0.0, 3.0}) {
    const Tensor logits = at::linear(hidden, output.data);
    const Tensor full = (at::log_softmax(cap > 0 ? cap * at::tanh(logits / cap) : logits, -1)
                             .gather(1, targets.unsqueeze(1))
                             .squeeze(1) *
                         weights)
                            .sum()
                            .neg();
    const auto expected = torch::autograd::grad({full}, {hidden, output.data});
    const Tensor once = weighted_nll(hidden, output, cap, targets, weights, nn::Compute::f32).loss;
    const Tensor twice = (logprobs(hidden, output, cap, targets, nn::Compute::f32) * weights).sum().neg();
    for (const Tensor& loss : {once, twice}) {
      EXPECT_NEAR(full.item<double>(), loss.item<double>(), 1e-2) << cap;
      const auto found = torch::autograd::grad({loss}, {hidden, output.data});
      EXPECT_TRUE(at::allclose(expected[0], found[0], 1e-4, 1e-5)) << cap;
      EXPECT_TRUE(at::allclose(expected[1], found[1], 1e-4, 1e-3)) << cap;
    }
  }
}

TEST(TrainTest, answers_weigh_more_and_documents_are_never_split) {
  const auto model = test::tiny_model();
  const Sample sample = make_sample(*model->tokenizer, "Q: where ? A: engineer", {{14, 22}}, 3);
  EXPECT_EQ(sample.tokens.front(), *model->tokenizer->bos);
  EXPECT_EQ(sample.tokens.back(), *model->tokenizer->eos);
  EXPECT_EQ(std::count(sample.weights.begin() + 1, sample.weights.end(), 3.0f), 1);
  const auto source = source_of(*model);
  StepStream stream(source, {.tokens = 300, .vocab = model->config.vocab, .context = model->config.context}, 0);
  int64_t documents = 0;
  while (auto step = stream.next()) {
    EXPECT_LE(step->batch.tokens(), 300);
    documents += step->batch.inputs.sequences();
    EXPECT_EQ(step->batch.inputs.positions[0].item<int64_t>(), 0);
  }
  EXPECT_EQ(documents, source->size());
}

TEST(TrainTest, schedules_and_bad_options) {
  const Schedule linear{.warmup = 0.1, .final = 0.02};
  EXPECT_NEAR(linear.factor(0.05), 0.5, 1e-12);
  EXPECT_NEAR(linear.factor(0.1), 1, 1e-12);
  EXPECT_NEAR(linear.factor(1), 0.02, 1e-12);
  EXPECT_NEAR((Schedule{.kind = "cosine", .warmup = 0, .final = 0}).factor(0.5), 0.5, 1e-12);
  EXPECT_THROW(check(Schedule{.kind = "cubic"}), UsageError);
  EXPECT_THROW(resolved({.kind = "sgd"}), UsageError);
  TrainOptions o;
  o.batch_tokens = 0;
  EXPECT_THROW(check(o), UsageError);
}

TEST(MuonTest, newton_schulz_makes_a_matrix_nearly_orthogonal) {
  at::manual_seed(2);
  const Tensor g = at::randn({1, 24, 40});
  const Tensor x = newton_schulz((g / g.norm()).to(at::kBFloat16), 5).to(at::kFloat)[0];
  const Tensor singular = at::linalg_svdvals(x);
  EXPECT_GT(singular.min().item<double>(), 0.5);
  EXPECT_LT(singular.max().item<double>(), 1.4);
}

}  // namespace
}  // namespace ken::train::train_test_file
