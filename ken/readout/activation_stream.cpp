#include "ken/readout/activation_stream.h"

#include "ken/base/error.h"
#include "ken/base/permutation.h"
#include "ken/model/arch.h"

namespace ken::readout {
namespace {

data::Texts picked(const data::Texts& texts, int64_t count, std::function<int64_t(int64_t)> index) {
  return {texts.name, count, [at = texts.at, index = std::move(index)](int64_t i) { return at(index(i)); }};
}

}  // namespace

data::Texts only_part(const data::Texts& texts, int64_t parts, int64_t part) {
  return picked(texts, (texts.count - part + parts - 1) / parts, [=](int64_t i) { return i * parts + part; });
}

data::Texts without_part(const data::Texts& texts, int64_t parts, int64_t left_out) {
  const int64_t out = (texts.count - left_out + parts - 1) / parts;
  return picked(texts, texts.count - out, [=](int64_t i) {
    const int64_t at = i % (parts - 1);
    return i / (parts - 1) * parts + at + (at >= left_out);
  });
}

std::vector<std::vector<int32_t>> token_rows(const model::Model& model, const std::string& text, int64_t length) {
  if (!model.tokenizer) fail("activations", "{} holds no tokenizer; text cannot be read", model.config.name);
  const std::vector<int32_t> ids = model::prompt_ids(model, text);
  length = std::min(length, model.config.context);
  const int64_t bos = model.tokenizer->add_bos && model.tokenizer->bos;
  std::vector<std::vector<int32_t>> rows;
  for (int64_t at = bos; at < int64_t(ids.size()); at += length - bos) {
    auto& row = rows.emplace_back(ids.begin(), ids.begin() + bos);
    row.insert(row.end(), ids.begin() + at, ids.begin() + std::min<int64_t>(at + length - bos, int64_t(ids.size())));
  }
  return rows;
}

int64_t layer_of(const model::Model& model, const std::string& point) {
  if (point.find('*') != std::string::npos)
    fail_usage("activations", "{} names many points; name one layer, 0 to {}", point, model.config.n_layers - 1);
  return model::split_name(point).first;
}

std::shared_ptr<model::Model> first_blocks(const model::Model& model, int64_t n) {
  auto part = std::make_shared<model::Model>(model);
  part->config.n_layers = n;
  part->blocks.resize(size_t(n));
  return part;
}

PointReader::PointReader(const model::Model& model, const std::string& point, nn::Compute compute)
    : compute_(compute), bos_(model.tokenizer && model.tokenizer->add_bos && model.tokenizer->bos) {
  const auto read = [this, point](const Tensor& x, const model::Site& site) {
    if (x.dim() != 2)
      fail_usage("activations", "{} does not hold one row a token; name a point of the residual stream or a module",
                 point);
    found_[size_t(site.sequence)] = x.to(at::kFloat);
    return std::optional<Tensor>();
  };
  model::TapPlan(model.config, {{point, read}});  // a name that the whole model lacks is refused here
  const int64_t layer = layer_of(model, point);
  model_ = first_blocks(model, layer < 0 ? model.config.n_layers : layer + 1);
  plan_ = model::TapPlan(model_->config, {{point, read}});
}

Tensor PointReader::read(const std::vector<std::vector<int32_t>>& rows) {
  const at::NoGradGuard no_gradients;
  found_.assign(rows.size(), Tensor());
  std::vector<model::Row> batch;
  for (const auto& row : rows) batch.push_back({row});
  model::forward(*model_, model::pack(batch, model_->config.vocab),
                 {.compute = compute_, .taps = &plan_, .logits = model::ForwardOptions::Logits::none});
  return at::cat(found_);
}

ActivationStream::ActivationStream(const model::Model& model, data::Texts texts, StreamOptions options)
    : texts_(std::move(texts)),
      options_(std::move(options)),
      model_(model),
      reader_(model, options_.point, options_.compute) {
  if (texts_.empty()) fail_usage("activations", "there is no text; give some with --texts FILE");
  fill();
}

void ActivationStream::seek(const Position& position) {
  next_text_ = position.text;
  position_ = {position.text, position.block, 0};
  fill();
  position_.served = position.served;
}

// The order of a round's texts is computed, so a block follows from where it begins and its number.
void ActivationStream::fill() {
  std::vector<Tensor> parts;
  std::vector<std::vector<int32_t>> pass;
  int64_t rows = 0, tokens = 0;
  const auto flush = [&] {
    if (pass.empty()) return;
    const Tensor all = reader_.read(pass);
    int64_t begin = 0;
    for (const auto& row : pass) {
      const int64_t first = options_.leave_out_bos && reader_.bos(), n = int64_t(row.size());
      parts.push_back(all.narrow(0, begin + first, n - first));
      begin += n;
    }
    pass.clear();
    tokens = 0;
  };
  const int64_t begin = next_text_;
  while (rows < options_.block) {
    const auto round = uint64_t(next_text_ / texts_.count);
    const Permutation order(uint64_t(texts_.count), options_.seed, round);
    const auto text = int64_t(order.at(uint64_t(next_text_ % texts_.count)));
    for (auto& row : token_rows(model_, texts_.at(text), options_.length)) {
      if (tokens > 0 && tokens + int64_t(row.size()) > options_.pass_tokens) flush();
      tokens += int64_t(row.size());
      rows += int64_t(row.size()) - (options_.leave_out_bos && reader_.bos());
      pass.push_back(std::move(row));
    }
    ++next_text_;
    if (rows == 0 && next_text_ - begin >= texts_.count)
      fail("activations", "the texts of {} hold no token", texts_.name);
  }
  flush();
  const Tensor all = at::cat(parts);
  std::vector<int64_t> order(size_t(all.size(0)));
  for (size_t i = 0; i < order.size(); ++i) order[i] = int64_t(i);
  Rng(options_.seed, uint64_t(position_.block) | uint64_t{1} << 40).shuffle(order);
  rows_ = all.index_select(0, at::tensor(order));
  d_ = rows_.size(1);
}

Tensor ActivationStream::next(int64_t n) {
  std::vector<Tensor> parts;
  while (n > 0) {
    const int64_t left = rows_.size(0) - position_.served, take = std::min(n, left);
    if (take > 0) parts.push_back(rows_.narrow(0, position_.served, take));
    position_.served += take;
    n -= take;
    if (n == 0) break;
    position_ = {next_text_, position_.block + 1, 0};
    fill();
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace ken::readout
