#include "ken/evidence/labelled_texts.h"

#include "ken/base/error.h"
#include "ken/io/records.h"

namespace ken::evidence {

std::vector<LabelledText> read_labelled_texts(const fs::path& path) {
  std::vector<LabelledText> result;
  const auto text_of = [](const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  for (const auto& record : io::read_records(path)) {
    const Json text = record.fields.value("text", Json()), label = record.fields.value("label", Json());
    if (!text.is_string() || text.get<std::string>().empty() || label.is_null())
      fail("records", "{}:{}: a labelled text is {{\"text\": \"...\", \"label\": \"...\"}}", path.string(),
           record.line);
    const Json group = record.fields.value("group", Json());
    result.push_back({text, text_of(label), group.is_null() ? text.get<std::string>() : text_of(group)});
  }
  if (result.empty()) fail("records", "{} holds no labelled text", path.string());
  return result;
}

}  // namespace ken::evidence
