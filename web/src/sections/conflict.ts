// "Passage or memory?": whose answer is given when a passage contradicts what the model learnt.
import { figure, numbers, panels, type Section, type TableRow } from "../dom";
import { examples } from "../examples";
import { capital, exposure, known, show } from "../format";
import { rows_picture } from "../rows";
import type { Conflict, FollowRow } from "../study";

// The passage grows from the left and memory from the right, so that both have a straight edge to be compared on.
const SIDES = [
  { id: "context", name: "as the passage says", color: "var(--blue)", ink: "var(--on-blue)" },
  { id: "neither", name: "neither", color: "var(--gap)", ink: "var(--ink)" },
  { id: "memory", name: "as it remembers", color: "var(--vermilion)", ink: "var(--on-vermilion)" },
] as const;

function following(conflict: Conflict): HTMLElement {
  const splits: [string, FollowRow[], (label: string) => string][] = [
    ["By whether it knew the fact", conflict.groups, capital],
    ["By what it is told to do", conflict.by_intent, capital],
    ["By how common the fact is", conflict.by_exposure, (text) => capital(exposure(text))],
  ];
  const drawn = splits.filter(([, rows]) => rows.length > 0);
  return figure({
    title: "Whose answer does it give?",
    how: "Each bar is all questions whose passage contradicts the learnt fact, split by the answer given; the thin lines are the intervals of the passage’s share (above) and of memory’s (below).",
  }, [panels(...drawn.map(([name, rows, label], i): [string, HTMLElement] => [name, rows_picture(rows.map((row) => ({
    label: label(row.label), examples: row.examples, parts: SIDES.map((side) => ({ ...side, num: row[side.id] })),
  })), { label: name, kind: "stack", plain: i > 0 })]))],
  numbers(drawn.flatMap(([, rows, label]) => rows.flatMap((row) => SIDES.map((side): TableRow =>
    ({ label: label(row.label), what: side.name, num: row[side.id], style: "rate" }))))));
}

function answer(conflict: Conflict): string {
  const parts = conflict.groups.map((row) => `${show(row.context, "rate")} (${row.label})`);
  return parts.length ? `Given a passage that contradicts what it learnt, it goes by the passage in ${parts.join(" and in ")} of the cases.`
    : "It was given passages that contradict what it learnt.";
}

export function conflict_section(conflict: Conflict | null): Section {
  const section = { id: "conflict", name: "Passage or memory", question: "Passage or memory?" };
  if (!conflict || ![...conflict.groups, ...conflict.by_exposure, ...conflict.by_intent].some((row) => known(row.context.value))) return { ...section, answer: "No question came with a passage that contradicts what it learnt.", body: null };
  return { ...section, answer: answer(conflict), body: [following(conflict), examples("Some questions with such a passage", conflict.examples)] };
}
