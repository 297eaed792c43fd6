// The first screen: the headline, the facts worth a large number, and what was found, with advice.
import { h, type Child } from "./dom";
import { capital, exposure, first_sentence, interval, known, MISSING, number, show, unbroken } from "./format";
import { has_threshold, score_name, threshold_words } from "./sections/abstain";
import { best_setting } from "./sections/levers";
import type { Certainty, Conflict, Finding, FindingKind, Num, Recall, Study } from "./study";

const KINDS: Record<FindingKind, [sign: string, word: string]> = {
  good: ["✓", "Good"], caution: ["!", "Caution"], bad: ["✗", "Bad"], info: ["i", "Note"],
};

const between = (num: Num): string => (interval(num, "rate") === MISSING ? "" : ` (${interval(num, "rate")})`);

interface Fact { name: string; value: string; text: string; small: string }

function what_it_knows(recall: Recall): Fact {
  const bands = recall.by_exposure.filter((row) => known(row.accuracy.value)), first = bands[0], last = bands[bands.length - 1];
  const spread = first && last && first !== last && (recall.overall.value ?? 0) > 0
    ? `${show(first.accuracy, "rate")} of facts ${exposure(first.label)}, ${show(last.accuracy, "rate")} of facts ${exposure(last.label)}.` : "";
  return {
    name: "What it knows", value: known(recall.overall.value) ? show(recall.overall, "rate") : "?",
    text: known(recall.overall.value) ? `of ${number(recall.overall.n, "count")} questions answered right, without help${between(recall.overall)}.` : "No question was answered.", small: spread,
  };
}

function when_to_trust_it(certainty: Certainty, recall: Recall): Fact | null {
  const advice = certainty.advice, name = "When to trust it";
  if (has_threshold(advice)) {
    const score = certainty.scores.find((each) => each.id === advice.score);
    const sign = score?.surer === "lower" ? "≤" : "≥";
    return {
      name, value: `${sign}\u202f${show(advice.threshold, "ratio")}`,
      text: `Where the ${score_name(advice, score)} is ${threshold_words(advice, score)}, ${show(advice.error, "rate")} of its answers are wrong. That is ${show(advice.coverage, "rate")} of the questions.`,
      small: `Promised with ${show(advice.confidence, "rate")} confidence: at most ${show(advice.risk, "rate")} wrong.`,
    };
  }
  if (!known(recall.overall.value)) return null;
  return { name, value: "Never alone", text: "No threshold on its confidence promises few enough wrong answers.", small: "Give it a source, or check what it says." };
}

function passage_or_memory(conflict: Conflict | null): Fact | null {
  const group = conflict?.groups.find((row) => known(row.context.value));
  if (!conflict || !group) return null;
  const told = conflict.by_intent.find((row) => row.label === "use the context");
  return {
    name: "Passage or memory", value: show(group.context, "rate"),
    text: `of the answers go by the passage where it contradicts what it learnt${between(group.context)}; ${show(group.memory, "rate")} go by memory.`,
    small: `${capital(group.label)}.${told && known(told.context.value) ? ` Told to use the passage: ${show(told.context, "rate")}.` : ""}`,
  };
}

// Where no lever is worth its side effects, an instruction may be.
function what_to_say(conflict: Conflict | null): Fact | null {
  const find = (label: string): number | null => conflict?.by_intent.find((row) => row.label === label)?.context.value ?? null;
  const told = find("use the context"), untold = find("no instruction");
  return told === null || untold === null || told - untold < 0.05 ? null : {
    name: "What to set", value: "Say so", small: "",
    text: `Tell it to use the passage: ${number(told, "rate")} of its answers then do, against ${number(untold, "rate")} untold.`,
  };
}

function what_to_set(study: Study): Fact | null {
  const best = best_setting(study.levers), told = what_to_say(study.conflict), scaled = study.certainty.temperature;
  if (best) return {
    name: "What to set", value: `${best.lever.parameter} =\u202f${best.setting}`,
    text: `${best.lever.title}: ${best.label}, ${show(best.before.rate, "rate")} to ${show(best.after.rate, "rate")}.`,
    small: best.damage ? `Side effect: ${best.damage.label}, ${show(best.damage_before?.rate, "rate")} to ${show(best.damage.rate, "rate")}.` : "",
  };
  if (told) return told;
  if (!scaled || !known(scaled.ece_before.value) || !known(scaled.ece_after.value) || scaled.ece_before.value - scaled.ece_after.value < 0.01) return null;
  return {
    name: "What to set", value: `T =\u202f${show(scaled.temperature, "ratio")}`,
    text: `This temperature brings the error of its confidence from ${show(scaled.ece_before, "rate")} to ${show(scaled.ece_after, "rate")}.`, small: "",
  };
}

const fact = (item: Fact): HTMLElement => h("li", {},
  h("h2", {}, item.name), h("strong", item.value.length > 9 ? { class: "wordy" } : {}, item.value), h("span", {}, item.text), item.small ? h("small", {}, item.small) : null);

const sign_of = (kind: FindingKind): HTMLElement => {
  const [sign, word] = KINDS[kind] ?? KINDS.info;
  return h("span", { class: `sign ${kind}` }, h("span", { "aria-hidden": "true" }, sign), ` ${word}`);
};

const finding = (item: Finding): HTMLElement => h("li", { class: "finding" }, sign_of(item.kind),
  h("div", {}, h("p", {}, unbroken(item.text)), item.advice ? h("p", { class: "advice" }, unbroken(item.advice)) : null));

export function first_screen(study: Study): HTMLElement {
  const { model, facts, recall } = study, [top, ...others] = study.findings;
  const [headline, rest] = first_sentence(unbroken(top?.text ?? "The study is done; nothing stood out."));
  const items = [what_it_knows(recall), when_to_trust_it(study.certainty, recall), passage_or_memory(study.conflict), what_to_set(study)];
  const standfirst: Child[] = [rest, top ? unbroken(top.advice) : ""].filter((text) => text !== "").map((text) => h("p", { class: "standfirst" }, text));
  return h("header", {},
    h("p", { class: "kicker" }, h("b", {}, model.name), ` · what it knows of ${facts.name}, ${study.prompt.label}`, top ? " · " : null, top ? sign_of(top.kind) : null),
    h("h1", headline.length > 90 ? { class: "long" } : {}, headline), ...standfirst,
    h("ul", { class: "facts" }, ...items.map((item) => (item ? fact(item) : null))),
    others.length ? h("div", { class: "found" }, h("h2", {}, "What else was found"), h("ol", { class: "findings" }, ...others.map(finding))) : null);
}
