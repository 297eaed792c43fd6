// The findings in words, from the numbers of study.json alone; the first ones are what a user should act on.
#include <cmath>

#include "ken/base/error.h"
#include "ken/study/study.h"

namespace ken::study {
namespace {

double value(const Json& number) { return number.at("value").is_null() ? NAN : number.at("value").get<double>(); }
std::string percent(const Json& number) { return fmt::format("{:.0f} %", 100 * value(number)); }

Json finding(const char* id, const char* kind, const std::string& text, const std::string& advice = "") {
  return {{"id", id}, {"kind", kind}, {"text", text}, {"advice", advice}};
}

const Json* labelled(const Json& list, const std::string& label) {
  for (const Json& item : list)
    if (item.at("label") == label) return &item;
  return nullptr;
}

void about_recall(const Json& study, Json& out) {
  const Json& overall = study.at("recall").at("overall");
  const Json& bands = study.at("recall").at("by_exposure");
  if (value(overall) < 0.02) {
    out.push_back(finding("knows-nothing", "bad",
                          fmt::format("The model answers {} of {} questions rightly: it does not know these facts.",
                                      percent(overall), overall.at("n").get<int64_t>()),
                          "Do not use its answers to such questions; give it passages to read, or another model."));
    return;
  }
  std::string text = fmt::format("Without help the model answers {} of {} questions rightly.", percent(overall),
                                 overall.at("n").get<int64_t>());
  if (bands.size() > 1) {
    const Json &rare = bands.front(), &common = bands.back();
    text += fmt::format(" Of {} it answers {}, of {} {}.", facts_in(rare.at("label")), percent(rare.at("accuracy")),
                        facts_in(common.at("label")), percent(common.at("accuracy")));
  }
  out.push_back(finding("recall", value(overall) >= 0.8 ? "good" : "info", text));
  if (bands.size() > 1 && value(bands.front().at("accuracy")) < 0.2 && value(bands.front().at("right_type")) > 0.8) {
    out.push_back(finding("fluent-inventions", "caution",
                          fmt::format("Asked about the rarest facts it does not decline: {} of its answers have the "
                                      "right form, {} are right, and it gives them {} on average.",
                                      percent(bands.front().at("right_type")), percent(bands.front().at("accuracy")),
                                      percent(bands.front().at("confidence"))),
                          "A fluent answer is no sign of knowledge here; look at its probability."));
  }
}

// Whether sampled answers buy anything that one answer does not say. Scores of the least tokens read one answer.
void about_price(const Json& scores, Json& out) {
  const Json *cheap = nullptr, *dear = nullptr;
  double least = INFINITY;
  for (const Json& score : scores) least = std::min(least, value(score.at("tokens")));
  for (const Json& score : scores) {
    const Json*& best = value(score.at("tokens")) <= least ? cheap : dear;
    if (!std::isnan(value(score.at("auroc"))) && (!best || value(score.at("auroc")) > value(best->at("auroc"))))
      best = &score;
  }
  if (!cheap || !dear) return;
  const double gain = value(dear->at("auroc")) - value(cheap->at("auroc")), price = value(dear->at("tokens")) / least;
  const bool worth = gain >= 0.01;
  out.push_back(finding("price", "info",
                        fmt::format("Of the scores that read one answer {} is best (AUROC {:.2f}); of those that also "
                                    "sample answers {} ({:.2f}), at {:.1f} times the tokens.",
                                    cheap->at("title").get<std::string>(), value(cheap->at("auroc")),
                                    dear->at("title").get<std::string>(), value(dear->at("auroc")), price),
                        worth ? "Sample where a wrong answer costs more than the tokens."
                              : "Sampling is not worth its price on questions like these."));
}

void about_certainty(const Json& study, Json& out) {
  const Json& advice = study.at("certainty").at("advice");
  const Json* best = nullptr;
  for (const Json& score : study.at("certainty").at("scores"))
    if (!std::isnan(value(score.at("auroc"))) && (!best || value(score.at("auroc")) > value(best->at("auroc"))))
      best = &score;
  if (!advice.is_null()) {
    out.push_back(
        finding("abstain", "good",
                fmt::format("Abstain under {:.2f}: error {}, coverage {} on people or subjects that the threshold was "
                            "not chosen on. On questions like these at most {} of such answers are wrong, with {} "
                            "confidence.",
                            value(advice.at("threshold")), percent(advice.at("error")), percent(advice.at("coverage")),
                            percent(advice.at("risk")), percent(advice.at("confidence"))),
                fmt::format("Let the model answer only when its answer's probability is at least {:.2f}.",
                            value(advice.at("threshold")))));
  } else if (best) {
    out.push_back(finding("no-threshold", "bad",
                          "No probability threshold can be promised to keep the error under 5 %.",
                          "Do not rely on this model's answers to these questions without a source."));
  }
  if (best) {
    const double auroc = value(best->at("auroc"));
    out.push_back(finding("best-score", auroc >= 0.8 ? "good" : "caution",
                          fmt::format("The score that tells right from wrong best is {} (AUROC {:.2f}).",
                                      best->at("title").get<std::string>(), auroc)));
  }
  about_price(study.at("certainty").at("scores"), out);
  const Json& probability = study.at("certainty").at("scores").at(0);
  if (probability.at("ece").is_null() || value(probability.at("ece")) <= 0.1) return;
  const Json& scaled = study.at("certainty").at("temperature");
  const bool mended = !scaled.is_null() && value(scaled.at("ece_after")) < 0.6 * value(scaled.at("ece_before"));
  std::string text = fmt::format("Its probabilities are off by {} on average (expected calibration error).",
                                 percent(probability.at("ece")));
  if (!scaled.is_null())
    text += fmt::format(" Scaled with temperature {:.2f} they are off by {}.", value(scaled.at("temperature")),
                        percent(scaled.at("ece_after")));
  out.push_back(
      finding("miscalibrated", "caution", text,
              mended ? "Scale them before you read them as chances." : "Read them as an order, not as chances."));
}

// The same facts in other words, and as claims: what looks like knowledge may hang on the form of the question.
void about_forms(const Json& study, Json& out) {
  for (const Json& variant : study.at("recall").at("variants")) {
    const double kept = value(variant.at("kept"));
    if (std::isnan(kept)) continue;
    out.push_back(finding(("variant-" + variant.at("label").get<std::string>()).c_str(),
                          kept >= 0.9 ? "good" : "caution",
                          fmt::format("Of the facts it knows it answers {} when they are asked in another way: {}.",
                                      percent(variant.at("kept")), variant.at("label").get<std::string>()),
                          kept >= 0.9 ? "" : "Ask in the form in which it learned the fact, or give it a passage."));
  }
  const Json& claims = study.at("recall").at("claims");
  if (claims.is_null() || std::isnan(value(claims.at("known")))) return;
  out.push_back(finding("claims", value(claims.at("known")) >= 0.8 ? "good" : "caution",
                        fmt::format("It tells true from false statements in {} of the cases for facts that it knows, "
                                    "in {} for others (chance: 50 %).",
                                    percent(claims.at("known")), percent(claims.at("unknown"))),
                        value(claims.at("known")) >= 0.8 ? "" : "Do not use it as a judge of statements."));
}

void about_conflict(const Json& study, Json& out) {
  const Json& conflict = study.at("conflict");
  if (conflict.is_null()) return;
  if (const Json* known = labelled(conflict.at("groups"), "known facts")) {
    out.push_back(
        finding("conflict", "caution",
                fmt::format("When a passage contradicts what it knows, it follows the passage in {}, its memory in {} "
                            "and neither in {} of the cases.",
                            percent(known->at("context")), percent(known->at("memory")), percent(known->at("neither"))),
                "Say in the prompt which source counts, or set a control."));
  }
  const Json *context = labelled(conflict.at("by_intent"), "use the context"),
             *memory = labelled(conflict.at("by_intent"), "use memory");
  if (context && memory) {
    const bool obeys = value(context->at("context")) > 0.8 && value(memory->at("memory")) > 0.8;
    out.push_back(
        finding("intent", obeys ? "good" : "caution",
                fmt::format("Told to use the passage it does so in {} of the conflicts, told to use its memory in {}.",
                            percent(context->at("context")), percent(memory->at("memory")))));
  }
}

void about_inside(const Json& study, Json& out) {
  for (const Json& probe : study.at("probes")) {
    const Json& best = probe.at("best");
    const double auroc = value(best.at("auroc"));
    out.push_back(finding(("probe-" + probe.at("id").get<std::string>()).c_str(), "info",
                          fmt::format("{} can be read with AUROC {:.2f} at layer {}, position {}{}.",
                                      probe.at("title").get<std::string>(), auroc, best.at("layer").get<std::string>(),
                                      best.at("position").get<std::string>(),
                                      probe.at("baseline").is_null() ? ""
                                                                     : fmt::format(" (from the output alone: {:.2f})",
                                                                                   value(probe.at("baseline"))))));
  }
}

void about_levers(const Json& study, Json& out) {
  for (const Json& lever : study.at("levers")) {
    const Json *plain = nullptr, *best = nullptr;
    const auto moved = [](const Json& point) {
      return point.at("moved").empty() ? NAN : value(point.at("moved").at(0).at("rate"));
    };
    for (const Json& point : lever.at("points")) {
      if (point.at("setting") == "0" || point.at("setting") == "off") plain = &point;
      if (!best || moved(point) > moved(*best)) best = &point;
    }
    if (!plain || !best || std::isnan(moved(*plain))) continue;
    const std::string setting = best->at("setting").get<std::string>();
    out.push_back(finding(
        lever.at("id").get<std::string>().c_str(), "info",
        fmt::format("{} moves answers from the passage from {:.0f} % to {:.0f} % at {} = {}; answers from neither go "
                    "from {} to {}.",
                    lever.at("title").get<std::string>(), 100 * moved(*plain), 100 * moved(*best),
                    lever.at("parameter").get<std::string>(), setting, percent(plain->at("broke").at(0).at("rate")),
                    percent(best->at("broke").at(0).at("rate"))),
        best == plain
            ? ""
            : fmt::format(
                  "To make it follow passages: --control {}{}", lever.at("id").get<std::string>(),
                  setting == "on" ? "" : fmt::format(":{}={}", lever.at("parameter").get<std::string>(), setting))));
  }
}

}  // namespace

std::string facts_in(const std::string& label) {
  if (label == "0") return "facts that training never showed";
  for (const char* times : {"1-2", "3-6", "7-15", "16-40", "41+"})
    if (label == times) return fmt::format("facts seen {} times", label);
  return fmt::format("facts of {}{}", label.starts_with("popularity") ? "" : "popularity ", label);
}

Json findings(const Json& study) {
  Json out = Json::array();
  // First what a user should do; but where nothing is known, that is all there is to say first.
  const bool nothing = value(study.at("recall").at("overall")) < 0.02;
  if (nothing) about_recall(study, out);
  about_certainty(study, out);
  if (!nothing) about_recall(study, out);
  about_conflict(study, out);
  about_levers(study, out);
  about_forms(study, out);
  about_inside(study, out);
  return out;
}

}  // namespace ken::study
