// What is linked into the program as bytes: the default organism and the report page (cmake/embedded.S).
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

namespace ken::study {

std::span<const std::byte> embedded_model();
std::string_view embedded_report();

}  // namespace ken::study
