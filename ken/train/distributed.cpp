// The only file that knows c10d: Gloo over a TCP store.
#include "ken/train/distributed.h"

#include <charconv>
#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "ken/base/error.h"

namespace ken::train {
namespace {

class Alone final : public Group {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(at::Tensor&) override {}
  void barrier() override {}
};

class Gloo final : public Group {
 public:
  Gloo(const std::string& address, uint16_t port, int rank, int size, int timeout_seconds) : rank_(rank), size_(size) {
    const std::chrono::milliseconds timeout(int64_t{1000} * timeout_seconds);
    c10d::TCPStoreOptions store;
    store.port = port;
    store.isServer = rank == 0;
    store.numWorkers = size_t(size);
    store.timeout = timeout;
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(
        address == "localhost" || address == "127.0.0.1" ? "127.0.0.1" : own_name()));
    options->threads = 2;
    store_ = c10::make_intrusive<c10d::TCPStore>(address, store);
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank, size, options);
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void sum(at::Tensor& x) override {
    std::vector<at::Tensor> list{x};
    group_->allreduce(list)->wait();
  }
  void barrier() override { group_->barrier()->wait(); }

 private:
  static std::string own_name() {
    char name[256] = {};
    if (gethostname(name, sizeof name - 1) != 0)
      fail("distributed", "this host has no name; set it, or use MASTER_ADDR=localhost on one host");
    return name;
  }
  int rank_, size_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

int number(const char* name, int low, int high) {
  const char* text = std::getenv(name);
  if (!text)
    fail_usage("distributed",
               "WORLD_SIZE is set, but {} is not; set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT for every process",
               name);
  const std::string_view view(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < low || value > high) {
    fail_usage("distributed", "{} is '{}'; it must be a number from {} to {}", name, view, low, high);
  }
  return value;
}

}  // namespace

std::unique_ptr<Group> alone() { return std::make_unique<Alone>(); }

std::unique_ptr<Group> group_from_environment() {
  if (!std::getenv("WORLD_SIZE")) return alone();
  const int size = number("WORLD_SIZE", 1, 1 << 16);
  if (size == 1) return alone();
  const int rank = number("RANK", 0, size - 1), port = number("MASTER_PORT", 1, 65535);
  const char* address = std::getenv("MASTER_ADDR");
  if (!address || !*address) fail_usage("distributed", "MASTER_ADDR is not set; give the host of rank 0");
  return join(address, uint16_t(port), rank, size);
}

std::unique_ptr<Group> join(const std::string& address, uint16_t port, int rank, int size, int timeout_seconds) {
  try {
    return std::make_unique<Gloo>(address, port, rank, size, timeout_seconds);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    const std::string reason = e.what();
    fail("distributed", "rank {} of {} could not meet the others at {}:{}: {}", rank, size, address, port,
         reason.substr(0, reason.find('\n')));
  }
}

void sum_all(Group& group, const std::vector<at::Tensor>& tensors) {
  if (group.size() == 1 || tensors.empty()) return;
  std::vector<at::Tensor> flat;
  for (const at::Tensor& x : tensors) flat.push_back(x.detach().reshape({-1}));
  at::Tensor joined = at::cat(flat);
  group.sum(joined);
  int64_t at = 0;
  for (const at::Tensor& x : tensors) {
    x.detach().copy_(joined.narrow(0, at, x.numel()).view(x.sizes()));
    at += x.numel();
  }
}

}  // namespace ken::train
