// Threads in a team: each task once, whoever takes it, and errors where the work was shared.
#include "ken/kernels/team.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/quant/format.h"

namespace ken::kernels::team_test_file {
namespace {

class TeamTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(4); }  // more than there are cores: some wait for theirs
  void TearDown() override { at::set_num_threads(before_); }
  const int before_ = at::get_num_threads();
};

TEST_F(TeamTest, runs_every_task_once_in_every_job) {
  Team::hold([] {
    ASSERT_NE(Team::here(), nullptr);
    for (int64_t job = 0; job < 2000; ++job) {
      const int64_t tasks = job % 37;
      std::vector<int> times(size_t(tasks), 0);
      Team::here()->share(tasks, [&](int64_t task) { ++times[size_t(task)]; }, {});
      EXPECT_EQ(times, std::vector<int>(size_t(tasks), 1));
    }
  });
  EXPECT_EQ(Team::here(), nullptr);
}

TEST_F(TeamTest, an_error_of_a_task_reaches_who_shared_it_and_the_team_goes_on) {
  Team::hold([] {
    EXPECT_THROW(Team::here()->share(
                     100, [](int64_t task) { task == 0 || task == 99 ? fail("team", "task {}", task) : void(); }, {}),
                 Error);
    std::atomic<int64_t> sum = 0;
    Team::here()->share(100, [&](int64_t task) { sum += task; }, {});
    EXPECT_EQ(sum, 4950);
  });
}

TEST_F(TeamTest, an_error_of_the_pass_ends_the_team) {
  EXPECT_THROW(Team::hold([] { fail("team", "of the pass"); }), Error);
  EXPECT_EQ(Team::here(), nullptr);
}

TEST_F(TeamTest, is_none_in_itself_in_a_parallel_region_or_of_one_thread) {
  Team::hold([] {
    const Team* outer = Team::here();
    Team::hold([&] { EXPECT_EQ(Team::here(), outer); });
    EXPECT_EQ(Team::here(), outer);
  });
  at::parallel_for(0, 4, 1, [](int64_t, int64_t) { Team::hold([] { EXPECT_EQ(Team::here(), nullptr); }); });
  at::set_num_threads(1);
  Team::hold([] { EXPECT_EQ(Team::here(), nullptr); });
}

TEST_F(TeamTest, share_range_covers_the_range_in_a_team_and_outside) {
  const auto covered = [](int64_t n) {
    std::vector<int> times(size_t(n), 0);
    share_range(n, 1000, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++times[size_t(i)];
    });
    return times;
  };
  for (const int64_t n : {0, 1, 7, 64, 1001}) {
    EXPECT_EQ(covered(n), std::vector<int>(size_t(n), 1));
    Team::hold([&] { EXPECT_EQ(covered(n), std::vector<int>(size_t(n), 1)); });
  }
}

// Products in a team, one after the other in an order that repeats and then changes, with matrices that go in between.
TEST_F(TeamTest, products_are_those_outside_whatever_was_fetched) {
  at::manual_seed(7);
  const quant::Format& format = quant::format_of("q8_0");
  const auto weights = [&](int64_t out, int64_t in) {
    const at::Tensor w = at::randn({out, in}), stored = at::empty({out, int64_t(format.bytes_of(in))}, at::kByte);
    quant::quantize(format, w.data_ptr<float>(), stored.data_ptr(), out * in);
    return make_panels(stored, &format, in);
  };
  std::vector<PanelWeights> all;
  for (const int64_t out : {700, 33, 512, 1200}) all.push_back(weights(out, 256));
  const at::Tensor x = at::randn({5, 256}).to(at::kBFloat16);
  std::vector<at::Tensor> expected;
  for (const auto& w : all) expected.push_back(panel_linear(x, {&w}, at::kFloat)[0]);
  const PanelWeights gate = weights(640, 256), up = weights(640, 256);
  const at::Tensor hidden = panel_swiglu(x, gate, up, at::kBFloat16);
  for (int round = 0; round < 4; ++round) {
    Team::hold([&] {
      for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(panel_linear(x, {&all[i]}, at::kFloat)[0].equal(expected[i]));
      EXPECT_TRUE(panel_swiglu(x, gate, up, at::kBFloat16).equal(hidden));
    });
    if (round == 1) std::reverse(all.begin(), all.end()), std::reverse(expected.begin(), expected.end());
    if (round == 2) all.pop_back(), expected.pop_back();
  }
}

}  // namespace
}  // namespace ken::kernels::team_test_file
