// What is known about an answer: how probable, how sure, and where it came from.
import { h, type Child } from "../dom";
import { known, number } from "../format";
import type { Knowledge, Method, ReplyKen, Source } from "./api";
import { bars, small } from "./bars";

const SOURCES: Record<Source["name"], { tag: string; sentence: string }> = {
  context: { tag: "from the documents", sentence: "The answer stands in the documents, and the model gives another one without them." },
  memory: { tag: "from memory", sentence: "The model gives the same answer without the documents, and they do not hold it." },
  both: { tag: "from both", sentence: "The answer stands in the documents, and the model gives it without them, too." },
  neither: { tag: "from neither", sentence: "The answer does not stand in the documents, and without them the model gives another one." },
};

const pair = (name: string, answer: string, { with_context, without }: { with_context: number | null; without: number | null }): HTMLElement =>
  h("div", { class: "pair-of-bars" }, h("p", {}, `${name} `, h("b", {}, answer || "(empty)")), bars([
    { label: "with the documents", value: with_context, color: "var(--blue)" },
    { label: "without them", value: without, color: "var(--vermilion)" },
  ], `probability of ${answer}`));

// The log of how much likelier the documents make the answer.
function pushed(conflict: number): string {
  const times = Math.exp(Math.abs(conflict));
  if (times < 1.1) return "The documents hardly change how likely this answer is.";
  return `The documents make this answer ${number(times, times < 10 ? "plain" : "count")} times ${conflict > 0 ? "likelier" : "less likely"}.`;
}

export function source_part(source: Source, answer: string): HTMLElement {
  const { tag, sentence } = SOURCES[source.name] ?? { tag: source.name, sentence: "" }, { probabilities } = source;
  const same = source.closed_book_answer === answer;
  const push = same || !known(source.conflict) ? null : h("p", { class: "note" }, pushed(source.conflict));
  return h("section", { class: "evidence source", "aria-label": "Where it comes from" },
    h("h3", {}, "Where it comes from"), h("p", {}, h("span", { class: `tag ${source.name}` }, tag), ` ${sentence}`),
    pair("This answer:", answer, probabilities.answer),
    same ? null : pair("The answer from memory:", source.closed_book_answer, probabilities.closed_book_answer), push);
}

const figure_of = (name: string, value: string, what: string): HTMLElement =>
  h("li", {}, h("h4", {}, name), h("strong", {}, value), h("small", {}, what));

function estimator(id: string, score: number | null, direction: string, methods: Method[]): HTMLElement {
  const method = methods.find((one) => one.id === id), value = known(score) && Math.abs(score) < 0.0005 ? "0" : number(score, "plain");
  return figure_of(method?.title ?? id, value, [direction, method?.sentence].filter((text) => text).join(". "));
}

// "sequence-probability:normalize=false" by its title; the settings are the operator's.
function titled(definition: string, methods: Method[]): string {
  const id = definition.split(":")[0]!;
  return methods.find((method) => method.id === id)?.title.toLowerCase() ?? id;
}

export function sureness_part(knowledge: Knowledge, ken: ReplyKen | null, methods: Method[]): HTMLElement {
  const items: Child[] = [figure_of("Probability", small(knowledge.probability ?? null), "that the model gives to this whole answer.")];
  if (ken?.calibrated)
    items.push(figure_of("Chance of being right", small(ken.calibrated.confidence), `calibrated from ${titled(ken.calibrated.estimator, methods)}.`));
  for (const [id, { score, direction }] of Object.entries(ken?.confidence ?? {})) items.push(estimator(id, score, direction, methods));
  return h("section", { class: "evidence", "aria-label": "How sure it is" }, h("h3", {}, "How sure it is"), h("ul", { class: "figures" }, ...items));
}
