// Page building blocks: elements, sections, tables of the numbers behind a picture, examples.
import { interval, MISSING, number, show, type Style } from "./format";
import type { Example, Num, Verdict } from "./study";

export type Child = Node | string | null;

// Text only ever enters the page as text nodes, because questions and answers are untrusted.
export function h(tag: string, attributes: Record<string, string>, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const note = (text: string): HTMLElement => h("p", { class: "note" }, text);

export function section(id: string, question: string, answer: string, ...children: Child[]): HTMLElement {
  return h("section", { id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, question), h("p", { class: "answer" }, answer), ...children);
}

export const figures = (...children: Child[]): HTMLElement => h("div", { class: "figures" }, ...children);

export function details(summary: string, ...children: Child[]): HTMLElement {
  return h("details", {}, h("summary", {}, summary), ...children);
}

// A table may be wider than a phone: it scrolls inside its own focusable box, never the page.
function scroll_box(label: string, table: HTMLElement): HTMLElement {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

export interface TableRow { label: string; what: string; num: Num | null; style: Style }

export function numbers(rows: TableRow[]): HTMLElement {
  const head = ["", "what", "value", "interval", "n", "definition"].map((text) => h("th", { scope: "col" }, text));
  const body = rows.map(({ label, what, num, style }) => h("tr", {},
    h("th", { scope: "row" }, label), h("td", {}, what), h("td", { class: "num" }, show(num, style)),
    h("td", { class: "num" }, num ? interval(num, style) : MISSING),
    h("td", { class: "num" }, num ? number(num.n, "count") : MISSING),
    h("td", {}, num ? h("code", {}, num.metric) : MISSING)));
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body));
  return details("The numbers behind this picture", scroll_box("The numbers behind this picture", table));
}

const VERDICTS: Record<Verdict, string> = {
  right: "✓ right", wrong: "✗ wrong", context: "from the context", memory: "from memory", neither: "from neither",
};

function example(item: Example): HTMLElement {
  const pairs: [string, string][] = [["Answer", item.answer || "(empty)"], ["Truth", item.gold || "(none)"]];
  if (item.context) pairs.unshift(["Context", item.context]);
  return h("li", {},
    h("p", { class: "question" }, item.question),
    h("dl", {}, ...pairs.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    h("p", { class: "verdict" }, h("span", { class: `tag ${item.verdict}` }, VERDICTS[item.verdict]),
      ` confidence ${show(item.confidence, "ratio")} `, h("code", {}, item.id)));
}

export function examples(items: Example[]): HTMLElement | null {
  if (items.length === 0) return null;
  const title = items.length === 1 ? "One example" : `${items.length} examples`;
  return details(title, h("ul", { class: "examples" }, ...items.map(example)));
}
