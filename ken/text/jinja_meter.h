// What a render has cost so far. Values count themselves in the meter of their thread, so that no function between has
// to pass it on. Private to text/.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "ken/text/chat_template.h"

namespace ken::text::jinja {

// An error without its place; the interpreter and the parser know the line.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
template <typename... Args>
[[noreturn]] void fault(fmt::format_string<Args...> text, Args&&... args) {
  throw Fault(fmt::format(text, std::forward<Args>(args)...));
}

struct Meter {
  explicit Meter(const TemplateLimits& allowed) : limits(allowed) {}
  TemplateLimits limits;
  size_t steps = 0, memory = 0;
};
// None while a template is parsed and its input is read: both are bounded by the size of what is read.
inline thread_local Meter* meter = nullptr;

class MeterScope {
 public:
  explicit MeterScope(Meter& used) : before_(meter) { meter = &used; }
  ~MeterScope() { meter = before_; }
  MeterScope(const MeterScope&) = delete;
  MeterScope& operator=(const MeterScope&) = delete;

 private:
  Meter* before_;
};

// One evaluation, or `n` units of similar cost.
inline void step(size_t n = 1) {
  if (meter && (meter->steps += n) > meter->limits.steps)
    fault("the template took more than {} steps (limit: steps)", meter->limits.steps);
}
// Work on so many bytes that are copied or compared.
inline void step_bytes(size_t bytes) { step(1 + bytes / 32); }

// A search may compare the whole wanted text at each place.
inline void step_search(std::string_view text, std::string_view wanted) {
  step_bytes(text.size() + text.size() / 64 * wanted.size());
}

inline const TemplateLimits& limits() {
  static const TemplateLimits standard;
  return meter ? meter->limits : standard;
}

inline void check_text(size_t bytes) {
  if (bytes > limits().text) fault("a string of more than {} bytes (limit: text)", limits().text);
}

// Bytes of a value, given back when it dies.
class Charge {
 public:
  explicit Charge(size_t bytes) : meter_(meter) { add(bytes); }
  ~Charge() {
    if (meter_) meter_->memory -= bytes_;
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  void add(size_t bytes) {
    if (!meter_) return;
    if (meter_->memory + bytes > meter_->limits.memory)
      fault("the template's values took more than {} bytes (limit: memory)", meter_->limits.memory);
    meter_->memory += bytes;
    bytes_ += bytes;
  }

 private:
  Meter* meter_;
  size_t bytes_ = 0;
};

}  // namespace ken::text::jinja
