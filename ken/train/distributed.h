// Data-parallel training over c10d: the processes that RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT name.
#pragma once
#include <memory>

#include "ken/nn/torch.h"

namespace ken::train {

class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void sum(at::Tensor& x) = 0;  // in place, over all ranks; the same bytes on each
  virtual void barrier() = 0;
};

// One process alone.
std::unique_ptr<Group> alone();
// As torchrun, mpirun wrappers and Slurm scripts set them; WORLD_SIZE missing or 1: alone. Bad values are UsageErrors.
std::unique_ptr<Group> group_from_environment();
std::unique_ptr<Group> join(const std::string& address, uint16_t port, int rank, int size, int timeout_seconds = 300);

// Sums many tensors in one exchange.
void sum_all(Group& group, const std::vector<at::Tensor>& tensors);

}  // namespace ken::train
