// "Is it the same when asked in other words?": what is left of the known facts when they are asked in another way.
import { figure, numbers, type Section, type TableRow } from "../dom";
import { capital, known, show, words } from "../format";
import { rows_picture } from "../rows";
import type { VariantRow } from "../study";

function answer(rows: VariantRow[]): string {
  const measured = rows.filter((row) => known(row.kept.value)).sort((a, b) => a.kept.value! - b.kept.value!);
  const worst = measured[0], best = measured[measured.length - 1];
  if (!worst || !best || worst === best) return `Of the facts it knows, it still answers ${show(worst?.kept, "rate")} when they are asked in another way (${words(worst?.label ?? "")}).`;
  return `Of the facts it knows, it still answers ${show(best.kept, "rate")} when asked in another way at best (${words(best.label)}) and ${show(worst.kept, "rate")} at worst (${words(worst.label)}).`;
}

export function other_words_section(variants: VariantRow[]): Section {
  const section = { id: "words", name: "In other words", question: "Is it the same when asked in other words?" };
  if (variants.length === 0) return { ...section, answer: "The facts were asked in one way only.", body: null };
  if (!variants.some((row) => known(row.kept.value)))
    return { ...section, answer: "It knew none of these facts when asked first, so nothing could be lost by asking in another way.", body: null };
  const rows = [...variants].sort((a, b) => (b.kept.value ?? -1) - (a.kept.value ?? -1));
  const picture = rows_picture(rows.map((row) => ({
    label: capital(words(row.label)), examples: row.examples, parts: [{ name: "still right", num: row.kept, color: "var(--blue)" }],
  })), { label: "Share of known facts still answered right", kind: "bars", empty: "no fact known" });
  return {
    ...section, answer: answer(rows), body: [figure({
      title: "What is left of the facts it knows", how: "All of these facts were answered right when asked first, so knowledge that does not hang on the wording fills the bar.",
    }, [picture], numbers(rows.flatMap((row): TableRow[] => [
      { label: words(row.label), what: "right, as asked first", num: row.plain, style: "rate" },
      { label: words(row.label), what: "right, asked this way", num: row.asked, style: "rate" },
      { label: words(row.label), what: "right this way, of those known", num: row.kept, style: "rate" },
    ])))],
  };
}
