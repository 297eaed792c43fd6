// Blocks of prompts through packed passes; taps copy the wanted rows into the block's tensors, already in the type that
// they are stored in. A block is known from the prompts alone, so that a run that goes on makes the same ones.
#include "ken/readout/capture.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/base/select.h"

namespace ken::readout {
namespace {

constexpr const char* activations_format = "ken.activations/1";
constexpr size_t largest_index = size_t{1} << 30;  // bytes

// What a token's row of a point holds.
std::vector<int64_t> width_of(const std::string& point, const model::Config& c) {
  const auto is = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return point.ends_with(name); });
  };
  if (is({"attn.hook_attn_scores", "attn.hook_pattern"}))
    fail_usage("cache",
               "{} holds a square a prompt, of another size for each; ken logits --tap writes it for one prompt",
               point);
  if (is({"attn.hook_q", "attn.hook_rot_q", "attn.hook_z"})) return {c.n_heads, c.d_head};
  if (is({"attn.hook_k", "attn.hook_rot_k", "attn.hook_v"})) return {c.n_kv_heads, c.d_head};
  if (is({"mlp.hook_pre", "mlp.hook_pre_linear", "mlp.hook_post"})) return {c.d_ff};
  return {c.d_model};
}

std::vector<std::string> chosen_points(const CaptureOptions& options, const model::Config& config) {
  for (const int64_t layer : options.layers)
    if (layer < 0 || layer >= config.n_layers)
      fail_usage("cache", "layer {} is asked for; the model has layers 0 to {}", layer, config.n_layers - 1);
  std::vector<std::string> result;
  for (const std::string& point : options.points) {
    const size_t star = point.rfind("blocks.*.", 0) == 0 ? 7 : std::string::npos;
    std::vector<std::string> names = expand_points({point}, config);
    for (size_t i = 0; i < names.size(); ++i) {
      const bool wanted = star == std::string::npos || options.layers.empty() || is_in(int64_t(i), options.layers);
      if (wanted && !is_in(names[i], result)) result.push_back(names[i]);
    }
  }
  if (result.empty()) fail_usage("cache", "no point is asked for; name one, such as blocks.*.hook_resid_post");
  return result;
}

bool every_token(const CaptureOptions& options) { return options.tokens == std::vector<std::string>{"all"}; }

void check_tokens(const CaptureOptions& options, const std::vector<CapturePrompt>& prompts) {
  if (options.tokens.empty()) fail_usage("cache", "no token is asked for; name one, such as answer");
  for (const std::string& name : options.tokens) {
    if (every_token(options) || name == "answer" || name == "last") continue;
    if (name == "all") fail_usage("cache", "'all' tokens hold every other one; ask for 'all' alone");
    std::vector<std::string> known{"all", "answer", "last"};
    bool found = false;
    for (const auto& prompt : prompts) {
      const auto words = prompt.words.find(name);
      found = found || (words != prompt.words.end() && !words->second.empty());
      if (&prompt == &prompts.front())
        for (const auto& [field, text] : prompt.words) known.push_back(field);
    }
    if (!found) fail_usage("cache", "{}; no record has words of this name", unknown_name("token", name, known));
  }
}

Item item_of(const CapturePrompt& prompt, const CaptureOptions& options) {
  Item item{prompt.text, {}, prompt.chat, prompt.from};
  for (const std::string& name : options.tokens) {
    Place place{name, "", false};
    const auto words = prompt.words.find(name);
    if (name == "answer") {
      if (prompt.answer != std::string::npos) place.before = prompt.answer;
    } else if (name != "last" && name != "all") {
      if (words != prompt.words.end()) place.words = words->second;
      if (place.words.empty()) place.before = 0;  // of no token
    }
    item.places.push_back(std::move(place));
  }
  return item;
}

struct Block {
  size_t first = 0;
  std::vector<Located> reads;
  size_t after() const { return first + reads.size(); }
};

at::ScalarType stored_type(io::DType dtype) { return dtype == io::DType::bf16 ? at::kBFloat16 : at::kFloat; }

io::TensorOut tensor_out(const std::string& name, const Tensor& x) {
  const io::DType dtype = x.scalar_type() == at::kFloat      ? io::DType::f32
                          : x.scalar_type() == at::kBFloat16 ? io::DType::bf16
                          : x.scalar_type() == at::kLong     ? io::DType::i64
                                                             : io::DType::boolean;
  return {name, dtype, x.sizes().vec(), {static_cast<const std::byte*>(x.data_ptr()), x.nbytes()}};
}

class Capturer {
 public:
  Capturer(const model::Model& model, const std::vector<CapturePrompt>& prompts, const CaptureOptions& options)
      : model_(model),
        prompts_(prompts),
        options_(options),
        points_(chosen_points(options, model.config)),
        all_(every_token(options)) {
    check_tokens(options, prompts);
    if (options.dtype != io::DType::f32 && options.dtype != io::DType::bf16)
      fail_usage("cache", "activations are stored as f32 or bf16, not {}", io::dtype_name(options.dtype));
    if (options.block < 1) fail_usage("cache", "a block has at least one prompt");
    for (const auto& point : points_) {
      int64_t elements = 1;
      for (const int64_t d : width_of(point, model.config)) elements *= d;
      row_bytes_ += elements * (options.dtype == io::DType::bf16 ? 2 : 4);
    }
    std::vector<model::Tap> taps;
    for (size_t p = 0; p < points_.size(); ++p)
      taps.push_back({points_[p], [this, p](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
                        copy(x, p, size_t(site.sequence));
                        return std::nullopt;
                      }});
    plan_ = model::TapPlan(model.config, std::move(taps));
  }
  Capturer(const Capturer&) = delete;

  Json settings() const {
    Json points = Json::object();
    for (const auto& point : points_) points[point] = width_of(point, model_.config);
    std::string all;  // separated by bytes that no text holds
    for (const auto& prompt : prompts_) all += prompt.id + '\xff' + prompt.text + '\xfe';
    return {{"format", activations_format},
            {"model", model_.config.name},
            {"model_sha256", model_.sha256()},
            {"compute", nn::compute_name(options_.compute)},
            {"dtype", std::string(io::dtype_name(options_.dtype))},
            {"tokens", options_.tokens},
            {"points", points},
            {"prompts", prompts_.size()},
            {"prompts_sha256", sha256(std::as_bytes(std::span(all)))},
            {"block", options_.block},
            {"block_bytes", options_.block_bytes}};
  }

  Block next(size_t first) const {
    Block block{first, {}};
    for (int64_t bytes = 0; block.after() < prompts_.size() && int64_t(block.reads.size()) < options_.block;) {
      Located read = locate(model_, item_of(prompts_[block.after()], options_), block.after());
      bytes += row_bytes_ * int64_t(all_ ? read.tokens.size() : read.rows.size());
      if (!block.reads.empty() && bytes > options_.block_bytes) break;
      block.reads.push_back(std::move(read));
    }
    return block;
  }

  // The block's activations, in passes of its own: what is in them does not depend on where a run began.
  void run(const Block& block, const fs::path& file) {
    begin(block);
    for (const auto& [first, last] : passes(block.reads.size(), [&](size_t i) { return block.reads[i].tokens.size(); }))
      pass(block, first, last);
    write(block, file);
  }

 private:
  void begin(const Block& block) {
    offsets_ = {0};
    for (const Located& read : block.reads) offsets_.push_back(offsets_.back() + int64_t(read.tokens.size()));
    values_.clear();
    for (const auto& point : points_) {
      std::vector<int64_t> shape = width_of(point, model_.config);
      if (all_) {
        shape.insert(shape.begin(), offsets_.back());
      } else {
        shape.insert(shape.begin(), {int64_t(block.reads.size()), int64_t(options_.tokens.size())});
      }
      values_.push_back(at::zeros(shape, stored_type(options_.dtype)));
    }
  }

  void pass(const Block& block, size_t first, size_t after) {
    reads_ = &block.reads;
    first_ = first;
    std::vector<model::Row> rows;
    for (size_t i = first; i < after; ++i) rows.push_back({block.reads[i].tokens});
    model::forward(model_, model::pack(rows, model_.config.vocab),
                   {.compute = options_.compute, .taps = &plan_, .logits = model::ForwardOptions::Logits::none});
  }

  void copy(const Tensor& x, size_t point, size_t sequence) {
    const size_t item = first_ + sequence;
    const Tensor& to = values_[point];
    if (all_) {
      to.narrow(0, offsets_[item], x.size(0)).copy_(x);
      return;
    }
    const auto& rows = (*reads_)[item].rows;
    for (size_t place = 0; place < rows.size(); ++place)
      if (rows[place] >= 0) to[int64_t(item)][int64_t(place)].copy_(x[rows[place]]);
  }

  void write(const Block& block, const fs::path& file) const {
    std::vector<Tensor> more;
    std::vector<io::TensorOut> out;
    for (size_t p = 0; p < points_.size(); ++p) out.push_back(tensor_out(points_[p], values_[p]));
    if (all_) {
      std::vector<int64_t> ids;
      for (const Located& read : block.reads) ids.insert(ids.end(), read.tokens.begin(), read.tokens.end());
      more = {at::tensor(at::ArrayRef<int64_t>(offsets_)), at::tensor(at::ArrayRef<int64_t>(ids))};
      out.push_back(tensor_out("offsets", more[0]));
      out.push_back(tensor_out("token_ids", more[1]));
    } else {
      more = {at::zeros({int64_t(block.reads.size()), int64_t(options_.tokens.size())}, at::kBool)};
      for (size_t i = 0; i < block.reads.size(); ++i)
        for (size_t place = 0; place < block.reads[i].rows.size(); ++place)
          more[0][int64_t(i)][int64_t(place)] = block.reads[i].rows[place] >= 0;
      out.push_back(tensor_out("found", more[0]));
    }
    io::write_safetensors(file,
                          {{"format", activations_format},
                           {"first", std::to_string(block.first)},
                           {"count", std::to_string(block.reads.size())}},
                          out);
  }

  const model::Model& model_;
  const std::vector<CapturePrompt>& prompts_;
  const CaptureOptions& options_;
  std::vector<std::string> points_;
  bool all_;
  int64_t row_bytes_ = 0;
  model::TapPlan plan_;
  std::vector<int64_t> offsets_;
  std::vector<Tensor> values_;
  const std::vector<Located>* reads_ = nullptr;
  size_t first_ = 0;
};

std::string shard_name(size_t number) { return fmt::format("shard-{:05}.safetensors", number); }

// Settings of a run that was begun here must be these; else its shards would be mixed with others.
void begin_folder(const fs::path& folder, const Json& settings) {
  const fs::path index = folder / "index.json";
  if (!fs::exists(index)) {
    if (fs::exists(folder / shard_name(0)))
      fail_usage("cache", "{} holds shards without an index.json, so nobody knows of what; give another folder",
                 folder.string());
    Json begun = settings;
    begun["complete"] = false;
    return write_text(index, dumped(begun, 1) + "\n");
  }
  const Json found = read_json(index, largest_index, "cache");
  for (const auto& [key, value] : settings.items())
    if (!found.contains(key) || found.at(key) != value)
      fail_usage("cache", "{} was written with other settings: '{}' is {} there and {} here; give another folder",
                 index.string(), key, found.value(key, Json()).dump(), value.dump());
  // What a kill left half written.
  for (const auto& entry : fs::directory_iterator(folder))
    if (const std::string name = entry.path().filename().string();
        name.ends_with(".tmp") && (name.starts_with("shard-") || name.starts_with("index.json.")))
      fs::remove(entry.path());
}

// How many prompts a finished shard holds.
size_t count_of(const fs::path& file, size_t first) {
  const auto shard = io::open_tensors(file);
  const std::string begins = shard->metadata.text("first", ""), count = shard->metadata.text("count", "");
  const bool digits = !count.empty() && count.size() < 10 && count.find_first_not_of("0123456789") == std::string::npos;
  if (shard->metadata.text("format", "") != activations_format || begins != std::to_string(first) || !digits ||
      std::stoul(count) == 0)
    fail("cache", "{} does not say that it holds the prompts from {} on; delete it and run again", file.string(),
         first);
  return std::stoul(count);
}

}  // namespace

Json capture(const model::Model& model, const std::vector<CapturePrompt>& prompts, const CaptureOptions& options,
             const fs::path& folder) {
  const at::NoGradGuard no_gradients;
  if (!model.tokenizer) fail("cache", "{} holds no tokenizer; prompts cannot be read", model.config.name);
  Capturer capturer(model, prompts, options);
  Json index = capturer.settings();
  fs::create_directories(folder);
  begin_folder(folder, index);
  Json shards = Json::array();
  for (size_t first = 0; first < prompts.size();) {
    const std::string name = shard_name(shards.size());
    size_t after;
    if (fs::exists(folder / name)) {
      after = first + count_of(folder / name, first);
      if (after > prompts.size()) fail("cache", "{} holds more prompts than there are; delete it and run again", name);
    } else {
      const Block block = capturer.next(first);
      capturer.run(block, folder / name);
      after = block.after();
    }
    Json ids = Json::array();
    for (size_t i = first; i < after; ++i) ids.push_back(prompts[i].id);
    shards.push_back({{"file", name}, {"first", first}, {"count", after - first}, {"ids", std::move(ids)}});
    first = after;
    if (options.progress) options.progress("cache", first, prompts.size(), "");
  }
  index["complete"] = true;
  index["shards"] = std::move(shards);
  write_text(folder / "index.json", dumped(index, 1) + "\n");
  return index;
}

}  // namespace ken::readout
