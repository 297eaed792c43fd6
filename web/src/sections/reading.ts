// "Does it read the passage?": questions whose passage holds the answer.
import { figure, numbers, type Section, type TableRow } from "../dom";
import { capital, known, show } from "../format";
import { rows_picture } from "../rows";
import type { Conflict } from "../study";

export function reading_section(conflict: Conflict | null): Section {
  const section = { id: "reading", name: "Reading", question: "Does it read the passage?" };
  const rows = conflict?.reading ?? [], measured = rows.filter((row) => known(row.accuracy.value));
  const first = measured[0];
  if (!first) return { ...section, answer: "It was not given passages that hold the answer.", body: null };
  const among = measured.filter((row) => row.label.includes("distractor")).at(-1), beside = measured.find((row) => row.label === "passage is irrelevant");
  const parts = [`With ${first.label === "no distractor" ? "nothing but the passage that holds the answer" : first.label} it answers ${show(first.accuracy, "rate")} right`];
  if (among && among !== first) parts.push(`with ${among.label} beside it ${show(among.accuracy, "rate")}`);
  if (beside && beside !== first) parts.push(`with an irrelevant passage, where only memory helps, ${show(beside.accuracy, "rate")}`);
  return {
    ...section,
    answer: `${parts.join("; ")}.`,
    body: [figure({
      title: "Questions answered right with a passage at hand", how: "Each bar is a way of giving the passage: alone, among passages about other things (distractors), agreeing with what it knows, or beside the point.",
    }, [rows_picture(rows.map((row) => ({
      label: capital(row.label), examples: row.examples, parts: [{ name: "right", num: row.accuracy, color: "var(--green)" }],
    })), { label: "Share answered right by kind of passage", kind: "bars" })],
    numbers(rows.map((row): TableRow => ({ label: row.label, what: "right", num: row.accuracy, style: "rate" }))))],
  };
}
