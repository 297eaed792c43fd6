// "What are its wrong answers like?": inventions it sticks to, guesses that change, slips, and answers of the wrong kind.
import { figure, numbers, type Section, type TableRow } from "../dom";
import { capital, known, show, words } from "../format";
import { rows_picture } from "../rows";
import type { WrongRow } from "../study";

export function wrong_section(wrong: WrongRow[]): Section {
  const section = { id: "wrong", name: "Wrong answers", question: "What are its wrong answers like?" };
  const rows = wrong.filter((row) => known(row.share.value)).sort((a, b) => b.share.value! - a.share.value!);
  const first = rows[0];
  if (!first) return { ...section, answer: "There was no wrong answer to look at.", body: null };
  const picture = rows_picture(rows.map((row) => ({
    label: capital(words(row.label)), examples: row.examples, parts: [{ name: "of the wrong answers", num: row.share, color: "var(--vermilion)" }],
  })), { label: "Kinds of wrong answers", kind: "bars" });
  return {
    ...section, answer: `Most often: ${words(first.label)}, ${show(first.share, "rate")} of its ${first.share.n.toLocaleString("en-GB")} wrong answers.`,
    body: [figure({
      title: "Kinds of wrong answers", how: "All wrong answers, sorted by what the model says when the same question is put to it again; the bars add up to 100\u202f%.",
    }, [picture], numbers(rows.map((row): TableRow => ({ label: words(row.label), what: "of the wrong answers", num: row.share, style: "rate" }))))],
  };
}
