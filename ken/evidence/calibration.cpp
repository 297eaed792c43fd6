#include "ken/evidence/calibration.h"

#include <charconv>

#include "ken/base/read_json.h"
#include "ken/stats/stats.h"

namespace ken::evidence {
namespace {

constexpr const char* schema = "ken.calibration/1";

}  // namespace

Calibration fit_calibration(const EstimatorSpec& estimator, const std::string& method, std::span<const double> surer,
                            std::span<const int> right, double risk, double delta) {
  Calibration c{estimator, stats::Calibrator::fit(method, surer, right)};
  c.risk = risk, c.delta = delta;
  // Ties that the calibrator makes are answered together, so the promise is tested on what is compared later.
  c.promised = stats::certified_threshold(c.calibrator(surer), right, risk, delta);
  return c;
}

void save(const Calibration& c, const fs::path& path) {
  const Json json{{"schema", schema},
                  {"estimator", c.estimator.entry->card.id},
                  {"params", c.estimator.params},
                  {"direction", c.estimator.entry->card.direction},
                  {"calibrator", c.calibrator.to_json()},
                  {"model_sha256", c.model_sha256},
                  {"promise",
                   {{"risk", c.risk},
                    {"delta", c.delta},
                    {"threshold", std::isnan(c.promised) ? Json(nullptr) : Json(c.promised)}}},
                  {"about", c.about}};
  write_text(path, dumped(json, 1) + "\n");
}

Calibration load_calibration(const fs::path& path, const std::string& model_sha256) {
  const Json json = read_json(path, size_t{1} << 26, "calibration");
  try {
    if (json.value("schema", "") != schema)
      fail("calibration", "{} is no calibration (schema {}); ken calibrate writes one", path.string(), schema);
    const auto& entry = Registry<EstimatorEntry>::get().at("estimator", json.at("estimator").get<std::string>());
    Calibration c{{&entry, resolve_params(entry.card, json.at("params")), entry.card.id},
                  stats::Calibrator::from_json(json.at("calibrator")),
                  json.at("model_sha256").get<std::string>()};
    if (c.model_sha256 != model_sha256)
      fail_usage("calibration", "{} was fitted on another model (sha256 {}..., this one is {}...); run ken calibrate",
                 path.string(), c.model_sha256.substr(0, 12), model_sha256.substr(0, 12));
    const Json& promise = json.at("promise");
    c.risk = promise.at("risk").get<double>(), c.delta = promise.at("delta").get<double>();
    if (!promise.at("threshold").is_null()) c.promised = promise.at("threshold").get<double>();
    c.about = json.value("about", Json::object());
    return c;
  } catch (const Json::exception& error) {
    fail("calibration", "{} is no calibration: {}", path.string(), error.what());
  }
}

double abstain_under(const std::string& text, const Calibration& c) {
  if (text == "promised") {
    if (std::isnan(c.promised))
      fail_usage("abstain",
                 "the calibration promises nothing at an error of {}; give a number, or calibrate on more facts",
                 c.risk);
    return c.promised;
  }
  double value = NAN;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1))
    fail_usage("abstain", "--abstain-under is '{}'; give 'promised' or a probability between 0 and 1", text);
  return value;
}

}  // namespace ken::evidence
