// The workbench, linked into the program as bytes (cmake/embedded.S): what a server gives at /.
#pragma once
#include <string_view>

namespace ken::server {

std::string_view workbench_page();

}  // namespace ken::server
