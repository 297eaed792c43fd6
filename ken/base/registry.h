// Registry<T>: an open set. A file registers itself with one static object and is found by name, never included.
//
//   static const Register<ControlEntry> entry{{.card = {...}, .make = ...}};
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/card.h"
#include "ken/base/error.h"

namespace ken {

template <typename Entry>  // Entry has a member `Card card`
class Registry {
 public:
  static Registry& get() {
    static Registry registry;
    return registry;
  }
  void add(Entry entry) { entries_.push_back(std::move(entry)); }

  // Sorted by id: the order of static initialisation is not defined.
  std::vector<const Entry*> all() const {
    std::vector<const Entry*> result;
    for (const auto& entry : entries_) result.push_back(&entry);
    std::sort(result.begin(), result.end(), [](auto* a, auto* b) { return a->card.id < b->card.id; });
    return result;
  }
  const Entry* find(std::string_view id) const {
    for (const auto& entry : entries_)
      if (entry.card.id == id) return &entry;
    return nullptr;
  }
  const Entry& at(std::string_view kind, std::string_view id) const {
    if (const Entry* entry = find(id)) return *entry;
    std::vector<std::string> known;
    for (const Entry* entry : all()) known.push_back(entry->card.id);
    fail_usage(kind, "{}", unknown_name(kind, id, known));
  }

 private:
  std::vector<Entry> entries_;
};

template <typename Entry>
struct Register {
  explicit Register(Entry entry) { Registry<Entry>::get().add(std::move(entry)); }
};

}  // namespace ken
