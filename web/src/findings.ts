// The first screen: the headline, the key figures, and what was found, with advice.
import { h, type Child } from "./dom";
import { advice_sentence, big, interval, MISSING, number, show, unbroken, type Style } from "./format";
import type { Finding, FindingKind, Num, Study } from "./study";

const KINDS: Record<FindingKind, [sign: string, word: string]> = {
  good: ["✓", "Good"], caution: ["!", "Caution"], bad: ["✗", "Bad"], info: ["i", "Note"],
};

function key_figure(num: Num, style: Style, what: string): HTMLElement | null {
  if (num.value === null) return null;
  const between = interval(num, style);
  return h("li", {}, h("strong", {}, show(num, style)), h("span", {}, what),
    between === MISSING ? null : h("small", {}, between));
}

function key_figures(study: Study): HTMLElement {
  const best_score = [...study.certainty.scores].sort((a, b) => (b.auroc.value ?? 0) - (a.auroc.value ?? 0))[0];
  const known = study.conflict?.groups[0], probe = study.probes[0], advice = study.certainty.advice;
  const items: Child[] = [
    key_figure(study.recall.overall, "rate", `of ${number(study.recall.overall.n, "count")} questions answered right`),
    advice ? key_figure(advice.coverage, "rate", `can be answered at ${show(advice.error, "rate")} error`) : null,
    best_score ? key_figure(best_score.auroc, "ratio", `AUROC of ${best_score.title} at telling right from wrong`) : null,
    known ? key_figure(known.context, "rate", `follows a contradicting passage (${known.label})`) : null,
    probe ? key_figure(probe.best.auroc, "ratio", `AUROC inside, layer ${probe.best.layer}: ${probe.title.toLowerCase()}`) : null,
  ];
  return h("ul", { class: "key-figures" }, ...items);
}

function finding(item: Finding): HTMLElement {
  const [sign, word] = KINDS[item.kind];
  return h("li", { class: `finding ${item.kind}` },
    h("span", { class: "sign" }, h("span", { "aria-hidden": "true" }, sign), ` ${word}`),
    h("p", {}, unbroken(item.text)), item.advice ? h("p", { class: "advice" }, unbroken(item.advice)) : null);
}

export function first_screen(study: Study): HTMLElement {
  const { model, facts, certainty } = study;
  const [headline, ...others] = study.findings;
  const advice = certainty.advice;
  const chosen = certainty.scores.find((score) => score.id === advice?.score);
  return h("header", {},
    h("p", { class: "kicker" }, `What ${model.name} knows of ${facts.name}`),
    h("h1", (headline?.text.length ?? 0) > 90 ? { class: "long" } : {}, headline ? unbroken(headline.text) : "The study is done; it holds no finding of note."),
    headline?.advice ? h("p", { class: "answer" }, unbroken(headline.advice)) : null,
    key_figures(study),
    advice ? h("p", { class: "callout" }, h("strong", {}, `${advice_sentence(advice, chosen)}.`), chosen ? ` Measured by ${chosen.title}.` : "") : null,
    others.length ? h("ul", { class: "findings", "aria-label": "Findings" }, ...others.map(finding)) : null);
}

export function about(study: Study): HTMLElement {
  const { model, facts } = study;
  const rows: [string, string][] = [
    ["Model", `${model.name}, ${model.arch}, ${big(model.parameters)} parameters, ${show(model.layers, "count")} layers of width ${show(model.d_model, "count")}, vocabulary of ${show(model.vocab, "count")}`],
    ["Facts", `${facts.name}, ${show(facts.questions, "count")} questions${facts.source ? `; source: ${facts.source}` : ""}`],
    ["Kinds of fact", facts.relations.join(", ") || "not stated"],
    ["Computed with", `${model.compute}, seed ${study.seed}`],
    ["SHA-256", model.sha256],
  ];
  return h("footer", {}, h("h2", {}, "What was studied"),
    h("dl", {}, ...rows.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    h("p", { class: "note" }, "Made by ken study. Each table names the definition of its numbers; the same numbers are in study.json."));
}
