#include "ken/server/page.h"

#include <cstddef>

extern "C" {
extern const char ken_embedded_workbench_begin[], ken_embedded_workbench_end[];
}

namespace ken::server {

std::string_view workbench_page() {
  return {ken_embedded_workbench_begin, size_t(ken_embedded_workbench_end - ken_embedded_workbench_begin)};
}

}  // namespace ken::server
