#include "ken/base/error.h"
#include "ken/study/embedded.h"
#include "ken/study/levers.h"

extern "C" {
extern const std::byte ken_embedded_model_begin[], ken_embedded_model_end[];
extern const char ken_embedded_report_begin[], ken_embedded_report_end[];
}

namespace ken::study {

std::span<const std::byte> embedded_model() { return {ken_embedded_model_begin, ken_embedded_model_end}; }
std::string_view embedded_report() {
  return {ken_embedded_report_begin, size_t(ken_embedded_report_end - ken_embedded_report_begin)};
}

std::string report_html(const Json& study) {
  const std::string_view page = embedded_report();
  const std::string open = "<script id=\"study-data\" type=\"application/json\">";
  const size_t begin = page.find(open), end = begin == std::string_view::npos ? begin : page.find("</script>", begin);
  if (end == std::string_view::npos) fail("report", "the page in the program has no place for the data; rebuild web/");
  std::string data;
  for (char c : dumped(study)) {
    // "</script>" inside a string must not end the element.
    if (c == '<')
      data += "\\u003c";
    else
      data += c;
  }
  return std::string(page.substr(0, begin + open.size())) + data + std::string(page.substr(end));
}

std::string sweep_html(const Json& lever, const std::string& model, const std::string& facts) {
  return report_html({{"schema", "ken.sweep/1"}, {"model", model}, {"facts", facts}, {"lever", lever}});
}

}  // namespace ken::study
