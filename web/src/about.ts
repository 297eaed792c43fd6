// The end of the page: what was not measured, and what was studied.
import { h, type Section } from "./dom";
import { big, capital, show, words } from "./format";
import type { Study } from "./study";

const pairs = (rows: [string, string][]): HTMLElement => h("dl", {}, ...rows.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]));

export function not_measured(sections: Section[]): HTMLElement | null {
  return sections.length === 0 ? null : h("section", { id: "not-measured", "aria-labelledby": "not-measured-title" },
    h("h2", { id: "not-measured-title" }, "What this study could not tell"), pairs(sections.map((section) => [section.question, section.answer])));
}

export function about(study: Study): HTMLElement {
  const { model, facts, prompt } = study;
  return h("footer", {}, h("h2", {}, "What was studied"), pairs([
    ["Model", `${model.name}, ${model.arch}, ${big(model.parameters)} parameters, ${show(model.layers, "count")} layers of width ${show(model.d_model, "count")}, vocabulary of ${show(model.vocab, "count")}`],
    ["Facts", `${facts.name}, ${show(facts.questions, "count")} questions${facts.source ? `; source: ${facts.source}` : ""}`],
    ["Kinds of fact", facts.relations.map(words).join(", ") || "not stated"],
    ["How it was asked", capital(prompt.label) + (prompt.system ? `; system message: “${prompt.system}”` : "")],
    ["Computed with", `${model.compute}, seed ${study.seed}`],
    ["SHA-256", model.sha256],
  ]), h("p", { class: "note" }, "Made by ken study. Each table names the definition of its numbers; the same numbers are in study.json."));
}
