// "What does it know?": firmly, by half or not at all, by how common a fact is; then by kind of fact.
import { figure, numbers, type Section, type TableRow } from "../dom";
import { examples } from "../examples";
import { capital, exposure, known, number, show, words } from "../format";
import { rows_picture, type Row } from "../rows";
import type { Recall, SplitRow } from "../study";

const PARTS = [
  { id: "known", name: "knows", color: "var(--blue)", ink: "var(--on-blue)" },
  { id: "half_known", name: "half knows", color: "var(--half)", ink: "var(--ink)" },
  { id: "unknown", name: "does not know", color: "var(--gap)", ink: "var(--ink)" },
] as const;

function split_figure(recall: Recall): HTMLElement {
  const examples_of = (row: SplitRow) =>
    row.label === "all" ? recall.examples : recall.by_exposure.find((each) => each.label === row.label)?.examples ?? [];
  const rows = recall.split.map((row): Row => ({
    label: capital(exposure(row.label)), bold: row.label === "all", examples: examples_of(row),
    parts: PARTS.map((part) => ({ ...part, num: row[part.id] })),
  }));
  return figure({
    title: "How much it knows of rare facts and of common ones",
    how: "A fact is known if the answer and four fifths of ten further tries are right; not known if no try is right; half known otherwise. Thin lines are intervals of the two outer parts.",
  }, [rows_picture(rows, { label: "Shares of facts known, half known and not known", kind: "stack" })], numbers([
    ...recall.split.flatMap((row) => PARTS.map((part): TableRow => ({ label: exposure(row.label), what: part.name, num: row[part.id], style: "rate" }))),
    ...recall.by_exposure.flatMap((row): TableRow[] => [
      { label: exposure(row.label), what: "right answer", num: row.accuracy, style: "rate" },
      { label: exposure(row.label), what: "answer of the right kind", num: row.right_type, style: "rate" },
    ]),
  ]));
}

function relation_figure(recall: Recall): HTMLElement {
  const sorted = [...recall.by_relation].sort((a, b) => (b.accuracy.value ?? -1) - (a.accuracy.value ?? -1));
  const overall = recall.overall.value;
  return figure({
    title: "Which kinds of fact it knows best", how: "One bar for each kind of fact: the share of questions answered right, with its interval.",
  }, [rows_picture(sorted.map((row) => ({
    label: words(row.label), examples: row.examples, parts: [{ name: "right", num: row.accuracy, color: "var(--blue)" }],
  })), { label: "Share answered right by kind of fact", kind: "bars", ...(known(overall) ? { line: { at: overall, text: `all: ${number(overall, "rate")}` } } : {}) })],
  numbers(sorted.map((row): TableRow => ({ label: words(row.label), what: "right answer", num: row.accuracy, style: "rate" }))));
}

function answer(recall: Recall): string {
  const measured = recall.by_exposure.filter((row) => known(row.accuracy.value));
  const first = measured[0], last = measured[measured.length - 1], all = recall.split.find((row) => row.label === "all");
  const parts = [`It answers ${show(recall.overall, "rate")} of ${number(recall.overall.n, "count")} questions right.`];
  if (first && last && first !== last && (recall.overall.value ?? 0) > 0)
    parts.push(`Of facts ${exposure(first.label)} it gets ${show(first.accuracy, "rate")}, of facts ${exposure(last.label)} ${show(last.accuracy, "rate")}.`);
  if (all && known(all.known.value) && known(all.half_known.value) && all.half_known.value > 0)
    parts.push(`Asked again, it wavers on ${show(all.half_known, "rate")} of the facts: those it half knows.`);
  return parts.join(" ");
}

export function knows_section(recall: Recall): Section {
  const section = { id: "knows", name: "What it knows", question: "What does it know?" };
  if (recall.overall.n === 0 || !known(recall.overall.value))
    return { ...section, answer: "No question was answered, so nothing can be said about what it knows.", body: null };
  const pictures = [
    recall.split.length ? split_figure(recall) : null,
    recall.by_relation.length > 1 && recall.by_relation.some((row) => row.accuracy.value) ? relation_figure(recall) : null,
  ];
  return { ...section, answer: answer(recall), body: [...pictures, examples("Some questions and answers", recall.examples)] };
}
