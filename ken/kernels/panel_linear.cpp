// Products of rows with stored matrices in panels, through the torch dispatcher: several matrices on the same rows are
// one parallel region.
#include <sys/mman.h>

#include "ken/base/files.h"
#include "ken/kernels/dispatch.h"
#include "ken/kernels/elementwise.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/panel_pack.h"
#include "ken/kernels/stored_tensor.h"

namespace ken::kernels {

Tensor zero_bytes(int64_t rows, int64_t columns) {
  constexpr size_t huge_page = size_t{1} << 21;
  const auto options = at::TensorOptions().dtype(at::kByte);
  const size_t bytes = size_t(rows * columns);
  if (bytes < 2 * huge_page) return at::zeros({rows, columns}, options);
  const size_t length = (bytes + 2 * huge_page - 1) / huge_page * huge_page;
  void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TORCH_CHECK(memory != MAP_FAILED, "[linear] no memory for ", bytes, " bytes of weights");
  auto* aligned =
      reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(memory) + huge_page - 1) & ~(huge_page - 1));
  ::madvise(aligned, bytes, MADV_HUGEPAGE);
  return at::from_blob(
      aligned, {rows, columns}, [memory, length](void*) { ::munmap(memory, length); }, options);
}

namespace {

// run(begin, end) for stretches of panels: an even number of them, about eight a thread.
template <typename Fn>
void share_panels(int64_t panels, int64_t in, int64_t rows, Fn run, const std::array<Panels, 2>& matrices = {}) {
  const int64_t pieces = 8 * at::get_num_threads(), piece = std::max<int64_t>(2, (panels / pieces + 1) / 2 * 2);
  share_out((panels + piece - 1) / piece, double(panels * lane_count) * double(in * rows),
            [&](int64_t i) { run(i * piece, std::min(panels, (i + 1) * piece)); },
            Reading{matrices, matrices[0].levels ? piece : 0});
}

// The panels of one matrix of the call, as the kernels see them.
struct Member {
  Panels panels;
  PanelProduct product;
  PanelOutput output;
};

Member member(const Tensor& levels, const Tensor& scales, int64_t type, int64_t out, int64_t in, const Tensor& y) {
  const quant::Format* format = format_of(type);
  Member m{panel_form({nullptr, format ? Stored::blocks : Stored::bf16, format, out, in}), nullptr, {}};
  TORCH_CHECK(levels.numel() == m.panels.count() * m.panels.level_bytes, "[linear] panels of another shape");
  m.panels.levels = static_cast<const std::byte*>(levels.data_ptr());
  m.panels.scales = format ? static_cast<const std::byte*>(scales.data_ptr()) : nullptr;
  m.product = product_for(cpu(), m.panels);
  m.output = {y.data_ptr(), out, is_bf16(y)};
  return m;
}

// The matrices of a call and their results.
struct Call {
  std::vector<Tensor> results;
  std::vector<Member> members;

  Call(const Tensor& x, at::TensorList levels, at::TensorList scales, at::IntArrayRef types, at::IntArrayRef outs,
       at::ScalarType dtype) {
    for (size_t i = 0; i < levels.size(); ++i) {
      results.push_back(fresh({x.size(0), outs[i]}, dtype));
      members.push_back(member(levels[i], scales[i], types[i], outs[i], x.size(1), results.back()));
    }
  }
};

// What the kernels read of x, int8 and bf16 as the matrices need.
struct Inputs {
  Tensor bf16, q, scale, sums, wide;
  PanelRows rows;

  Inputs(const Tensor& x, const std::vector<Member>& members) {
    const auto any = [&](auto is) { return std::any_of(members.begin(), members.end(), is); };
    const int64_t n = x.size(0), in = x.size(1), tile = rows_a_tile(n, cpu()), all = (n + tile - 1) / tile * tile;
    rows.rows = n, rows.tile = tile;
    if (any([](const Member& m) { return m.panels.plane == Plane::pair; })) {
      bf16 = x.to(at::kBFloat16);
      rows.bf16 = bf16_data(bf16);
    }
    if (!any([](const Member& m) { return m.panels.plane != Plane::pair; })) return;
    q = fresh({all, in}, at::kChar);
    scale = fresh({all, in / 32}, at::kFloat);
    sums = fresh({all, in / 16}, at::kInt);
    QuantizedRows to{tile, q.data_ptr<int8_t>(), scale.data_ptr<float>(), sums.data_ptr<int32_t>()};
    if (any([](const Member& m) { return wants_wide(cpu(), m.panels.plane); })) {
      wide = fresh({all, in}, at::kShort);
      to.wide = wide.data_ptr<int16_t>();
    }
    rows.q = to.q, rows.scale = to.scale, rows.sums = to.sums, rows.wide = to.wide;
    with_data(x, [&](const auto* data) {
      share_range(n, 2 * in, [&](int64_t begin, int64_t end) { quantize_rows(data, in, begin, end, to); });
    });
  }
};

std::vector<Tensor> panel_linear_cpu(const Tensor& x, at::TensorList levels, at::TensorList scales,
                                     at::IntArrayRef types, at::IntArrayRef outs, at::ScalarType dtype) {
  Call call(x, levels, scales, types, outs, dtype);
  if (x.size(0) == 0) return call.results;
  std::vector<int64_t> first{0};  // of each matrix, in panels
  for (const Member& m : call.members) first.push_back(first.back() + m.panels.count());
  const Inputs inputs(x, call.members);
  const auto run = [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < call.members.size(); ++i) {
      const Member& m = call.members[i];
      const int64_t from = std::max(begin, first[i]) - first[i], to = std::min(end, first[i + 1]) - first[i];
      if (from < to) m.product(m.panels, inputs.rows, m.output, from, to);
    }
  };
  share_panels(first.back(), x.size(1), x.size(0), run, {call.members[0].panels});
  return call.results;
}

// The thread that has made a piece of both products goes on with it while it is in its cache.
Tensor panel_swiglu_cpu(const Tensor& x, at::TensorList levels, at::TensorList scales, at::IntArrayRef types,
                        int64_t out, at::ScalarType dtype) {
  Call call(x, levels, scales, types, {out, out}, dtype);
  const Tensor &gate = call.results[0], &up = call.results[1];
  if (x.size(0) == 0) return gate;
  const Inputs inputs(x, call.members);
  share_panels(call.members[0].panels.count(), x.size(1), 2 * x.size(0),
               [&](int64_t begin, int64_t end) {
                 for (const Member& m : call.members) m.product(m.panels, inputs.rows, m.output, begin, end);
                 const int64_t from = begin * lane_count, n = std::min(out, end * lane_count) - from;
                 with_data(gate, [&](auto* g) {
                   const auto* u = static_cast<decltype(g)>(up.data_ptr());
                   for (int64_t row = 0; row < x.size(0); ++row)
                     swiglu_span(g + row * out + from, u + row * out + from, g + row * out + from, n);
                 });
               },
               {call.members[0].panels, call.members[1].panels});
  return gate;
}

// f32 arithmetic: each thread packs two panels at a time into its own memory, where all rows meet them.
Tensor linear_f32_cpu(const Tensor& x, const Tensor& stored, int64_t type) {
  const StoredMatrix from = stored_matrix(stored, format_of(type), x.size(1));
  const Panels whole = single_form(from);
  Tensor y = fresh({x.size(0), from.out}, at::kFloat);
  if (x.size(0) == 0) return y;
  const PanelProduct product = product_for(cpu(), whole);
  PanelRows rows;
  rows.rows = x.size(0), rows.f32 = x.data_ptr<float>();
  const auto run = [&](int64_t begin, int64_t end) {
    static thread_local std::vector<float> memory;
    memory.resize(size_t(2 * whole.level_bytes) / sizeof(float));
    for (int64_t panel = begin; panel < end; panel += 2) {
      // A matrix of its own, whose first panel is this one.
      const int64_t some = std::min<int64_t>(2, end - panel), first = panel * lane_count;
      Panels part = whole;
      part.out = std::min(some * lane_count, from.out - first);
      part.levels = reinterpret_cast<const std::byte*>(memory.data());
      Panels place = whole;
      place.levels = part.levels - panel * whole.level_bytes;
      pack_panels(from, place, panel, panel + some);
      product(part, rows, {y.data_ptr<float>() + first, from.out, false}, 0, some);
    }
  };
  share_panels(whole.count(), whole.in, x.size(0), run);
  return y;
}

}  // namespace

bool has_panels(const Tensor& stored, const quant::Format* format, int64_t in) {
  return stored.is_cpu() && stored.is_contiguous() && has_panels(stored_matrix(stored, format, in));
}

PanelWeights make_panels(const Tensor& stored, const quant::Format* format, int64_t in) {
  const StoredMatrix from = stored_matrix(stored, format, in);
  Panels form = panel_form(from);
  PanelWeights result{zero_bytes(form.count(), form.level_bytes), {}, format, from.out};
  result.scales = format ? zero_bytes(form.count(), form.scale_bytes) : at::empty({0}, at::kByte);
  form.levels = static_cast<const std::byte*>(result.levels.data_ptr());
  form.scales = static_cast<const std::byte*>(result.scales.data_ptr());
  // A mapped file's pages go as they are read: the panels take their place.
  const int64_t row_bytes = int64_t(stored.nbytes()) / std::max<int64_t>(1, from.out), some = 32;
  share_out((form.count() + some - 1) / some, double(from.out) * double(in), [&](int64_t piece) {
    const int64_t begin = piece * some, end = std::min(form.count(), begin + some), first = begin * lane_count;
    pack_panels(from, form, begin, end);
    forget_pages(static_cast<const std::byte*>(from.data) + first * row_bytes,
                 size_t((std::min(from.out, end * lane_count) - first) * row_bytes));
  });
  return result;
}

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def(
      "panel_linear(Tensor x, Tensor[] levels, Tensor[] scales, int[] types, int[] outs, ScalarType dtype) -> "
      "Tensor[]");
  m.def("panel_swiglu(Tensor x, Tensor[] levels, Tensor[] scales, int[] types, int out, ScalarType dtype) -> Tensor");
  m.def("linear_f32(Tensor x, Tensor stored, int type) -> Tensor");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) {
  m.impl("panel_linear", panel_linear_cpu);
  m.impl("panel_swiglu", panel_swiglu_cpu);
  m.impl("linear_f32", linear_f32_cpu);
}

Tensor linear_f32(const Tensor& x, const Tensor& stored, const quant::Format* format) {
  static const auto op = operation<Tensor(const Tensor&, const Tensor&, int64_t)>("ken::linear_f32");
  return op.call(x.contiguous(), stored.contiguous(), type_of(format));
}

namespace {

// Matrices as an operation takes them.
struct Lists {
  std::vector<Tensor> levels, scales;
  std::vector<int64_t> types, outs;
  explicit Lists(c10::ArrayRef<const PanelWeights*> matrices) {
    for (const PanelWeights* w : matrices) {
      levels.push_back(w->levels), scales.push_back(w->scales), outs.push_back(w->out);
      types.push_back(type_of(w->format));
    }
  }
};

}  // namespace

std::vector<Tensor> panel_linear(const Tensor& x, c10::ArrayRef<const PanelWeights*> matrices, at::ScalarType dtype) {
  static const auto op = operation<std::vector<Tensor>(const Tensor&, at::TensorList, at::TensorList, at::IntArrayRef,
                                                       at::IntArrayRef, at::ScalarType)>("ken::panel_linear");
  const Lists lists(matrices);
  return op.call(x.contiguous(), lists.levels, lists.scales, lists.types, lists.outs, dtype);
}

Tensor panel_swiglu(const Tensor& x, const PanelWeights& gate, const PanelWeights& up, at::ScalarType dtype) {
  static const auto op =
      operation<Tensor(const Tensor&, at::TensorList, at::TensorList, at::IntArrayRef, int64_t, at::ScalarType)>(
          "ken::panel_swiglu");
  const Lists lists({&gate, &up});
  return op.call(x.contiguous(), lists.levels, lists.scales, lists.types, gate.out, dtype);
}

}  // namespace ken::kernels
