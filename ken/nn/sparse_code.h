// Sparse codes over a dictionary; their kernels under the names of this room.
#pragma once
#include "ken/kernels/sparse_code.h"

namespace ken::nn {

using kernels::adam_row;
using kernels::AdamStep;
using kernels::add_rows;
using kernels::entries_above;
using kernels::largest_entries;
using kernels::remove_parallel;
using kernels::round_row;
using kernels::row_products;
using kernels::to_unit;

}  // namespace ken::nn
