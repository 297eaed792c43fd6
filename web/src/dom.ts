// Page building blocks: elements, figures, tables of the numbers behind a picture.
import { interval, MISSING, number, show, type Style } from "./format";
import type { Num } from "./study";

export type Child = Node | string | null;

// Text only ever enters the page as text nodes and attribute values, because questions and answers are untrusted.
export function h(tag: string, attributes: Record<string, string>, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const note = (text: string): HTMLElement => h("p", { class: "note" }, text);

// One question of the report. Without a body nothing was measured, and the answer says why.
export interface Section { id: string; name: string; question: string; answer: string; body: Child[] | null }

export function details(summary: string, ...children: Child[]): HTMLElement {
  return h("details", {}, h("summary", {}, summary), ...children);
}

export interface FigureText { title: string; how: string }

export function figure(text: FigureText, picture: Child[], table: Child): HTMLElement {
  return h("figure", {}, h("figcaption", {}, h("h3", {}, text.title), h("p", { class: "how" }, text.how)), ...picture, table);
}

// Small multiples: panels side by side where there is room, under one another on a phone.
export function panels(...items: [title: string, picture: Child][]): HTMLElement {
  return h("div", { class: "panels" }, ...items.map(([title, picture]) =>
    h("div", { class: "panel" }, h("h4", {}, title), picture)));
}

// A table may be wider than a phone: it scrolls inside its own focusable box, never the page.
export function scroll_box(label: string, table: HTMLElement): HTMLElement {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

export interface TableRow { label: string; what: string; num: Num | null; style: Style }

export function numbers(rows: TableRow[]): HTMLElement {
  const head = ["row", "what", "value", "interval", "n", "definition"].map((text) => h("th", { scope: "col" }, text));
  const body = rows.map(({ label, what, num, style }) => h("tr", {},
    h("th", { scope: "row" }, label), h("td", {}, what), h("td", { class: "num" }, show(num, style)),
    h("td", { class: "num" }, num ? interval(num, style) : MISSING),
    h("td", { class: "num" }, num ? number(num.n, "count") : MISSING),
    h("td", {}, num ? h("code", {}, num.metric) : MISSING)));
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body));
  return details("The numbers behind this picture", scroll_box("The numbers behind this picture", table));
}
