// "Can it tell true from false?": sentences judged, half of them true.
import { figure, numbers, type Section, type TableRow } from "../dom";
import { known, number, show } from "../format";
import { rows_picture, type Row } from "../rows";
import type { Claims } from "../study";

function answer(claims: Claims): string {
  const lean = claims.says_true.value, parts = [`It judges ${show(claims.all, "rate")} of ${number(claims.all.n, "count")} sentences rightly; guessing gives 50\u202f%.`];
  if (known(claims.known.value) && known(claims.unknown.value))
    parts.push(`About facts it knows: ${show(claims.known, "rate")}, about the others: ${show(claims.unknown, "rate")}.`);
  if (known(lean) && Math.abs(lean - 0.5) > 0.1)
    parts.push(`It leans to “${lean > 0.5 ? "true" : "false"}”: it calls ${number(lean, "rate")} of the sentences true, where half are.`);
  return parts.join(" ");
}

export function claims_section(claims: Claims | null): Section {
  const section = { id: "claims", name: "True or false", question: "Can it tell true from false?" };
  if (!claims || !known(claims.all.value)) return { ...section, answer: "It was not given sentences to judge as true or false.", body: null };
  const items: [string, string, typeof claims.all, boolean][] = [
    ["All sentences", "judged rightly", claims.all, false], ["About facts it knows", "judged rightly", claims.known, false],
    ["About facts it does not know", "judged rightly", claims.unknown, false], ["Calls a sentence “true”", "called true", claims.says_true, true],
  ];
  const rows = items.map(([label, name, num, lean]): Row => ({
    label, examples: lean ? [] : label === "All sentences" ? claims.examples : [], parts: [{ name, num, color: lean ? "var(--quiet)" : "var(--blue)" }],
  }));
  return {
    ...section, answer: answer(claims), body: [figure({
      title: "Sentences judged rightly", how: "Half of the sentences are true: a bar that ends at the line is no better than a coin. The grey bar is how often it says “true”, and is fair at the line.",
    }, [rows_picture(rows, { label: "Sentences judged rightly", kind: "bars", line: { at: 0.5, text: "guessing" } })],
    numbers(items.map(([label, what, num]): TableRow => ({ label, what, num, style: "rate" }))))],
  };
}
