// Pictures made of rows: bars, stacks that add up to all, dots on a common scale. Plain elements, so that labels wrap,
// bars are buttons, and phones and paper need no redrawing.
import { h, note, type Child } from "./dom";
import { Drawer } from "./examples";
import { known, number, sentence, show, value_and_interval, type Style } from "./format";
import type { Example, Num } from "./study";

export interface Part { name: string; num: Num; color: string; ink?: string; square?: boolean }
export interface Row { label: string; parts: Part[]; examples?: Example[]; bold?: boolean }
export interface RowsText {
  label: string; kind: "bars" | "stack" | "dots"; style?: Style; domain?: [number, number];
  line?: { at: number; text: string }; plain?: boolean; empty?: string; // plain: another picture beside it has the key and the hint
}

const MOST_ROWS = 40; // more than fit on a screen are left to the table

class Scale {
  constructor(private readonly lo: number, private readonly hi: number) {}
  at(value: number): number { return Math.min(100, Math.max(0, (100 * (value - this.lo)) / (this.hi - this.lo))); }
  // Quarters of all, but tenths where the scale starts elsewhere.
  get steps(): number { return this.lo === 0 ? 4 : Math.max(1, Math.round((this.hi - this.lo) * 10)); }
  ticks(): number[] { return Array.from({ length: this.steps + 1 }, (_, i) => this.lo + (i / this.steps) * (this.hi - this.lo)); }
}

const percent = (value: number): string => `${value.toFixed(2)}%`;
const span = (name: string, style: string, ...children: Child[]): HTMLElement => h("span", { class: name, style }, ...children);

function whisker(num: Num, scale: Scale, name = ""): HTMLElement | null {
  const [lo, hi] = num.ci;
  if (!known(lo) || !known(hi)) return null;
  return span(`whisker ${name}`, `left:${percent(scale.at(lo))};width:${percent(scale.at(hi) - scale.at(lo))}`);
}

// The value stands behind the interval, where nothing hides it.
function value_text(part: Part, scale: Scale, text: RowsText): HTMLElement {
  const end = known(part.num.value) ? Math.max(scale.at(part.num.value), scale.at(part.num.ci[1] ?? 0)) : 0;
  const missing = known(part.num.value) ? "" : " missing";
  return span(`value${missing}`, `left:${percent(end)}`, missing ? text.empty ?? "not measured" : show(part.num, text.style ?? "rate"));
}

function bar(row: Row, scale: Scale, text: RowsText): Child[] {
  const part = row.parts[0]!;
  const fill = known(part.num.value) ? span("fill", `width:${percent(scale.at(part.num.value))};background:${part.color}`) : null;
  return [fill, whisker(part.num, scale), value_text(part, scale, text)];
}

// The interval of the first part runs along the top edge, that of the last, counted from the right, along the bottom edge.
function stack(row: Row, scale: Scale, first: boolean): Child[] {
  const last = row.parts[row.parts.length - 1]!;
  const mirrored = last.num.ci.map((end) => (known(end) ? 1 - end : null)).reverse() as Num["ci"];
  const end = (part: Part): string => (part === last ? " last" : part === row.parts[0] ? " first" : "");
  const parts = row.parts.map((part) => {
    const share = known(part.num.value) ? part.num.value : 0;
    return span(`part${end(part)}`, `width:${percent(scale.at(share))};background:${part.color};color:${part.ink ?? "var(--ink)"}`,
      span("inside", "", first ? h("span", { class: "word" }, `${part.name} `) : null, number(share, "rate")));
  });
  return [...parts, whisker(row.parts[0]!.num, scale, "top"), whisker({ ...last.num, ci: mirrored }, scale, "bottom")];
}

function dots(row: Row, scale: Scale, text: RowsText): Child[] {
  const values = row.parts.map((part) => part.num.value).filter(known).map((value) => scale.at(value));
  const from = Math.min(...values), to = Math.max(...values);
  const gap = values.length > 1 ? span("gap", `left:${percent(from)};width:${percent(to - from)}`) : null;
  const marks = row.parts.map((part) => known(part.num.value)
    ? span(`dot${part.square ? " square" : ""}`, `left:${percent(scale.at(part.num.value))};background:${part.color}`) : null);
  const single = row.parts.length === 1 ? row.parts[0]! : null;
  return [gap, ...row.parts.map((part) => whisker(part.num, scale)), ...marks, single ? value_text(single, scale, text) : null];
}

function key(parts: Part[]): HTMLElement {
  return h("ul", { class: "key" }, ...parts.map((part) =>
    h("li", {}, span(`block${part.square ? " square" : ""}`, `background:${part.color}`), part.name)));
}

export function spoken(row: Row, style: Style): string {
  const same = row.parts.every((part) => part.num.n === row.parts[0]!.num.n);
  const said = row.parts.map((part) => `${part.name} ${same ? value_and_interval(part.num, style) : sentence(part.num, style)}`).join("; ");
  return same ? `${said}; n = ${number(row.parts[0]!.num.n, "count")}` : said;
}

export function rows_picture(rows: Row[], text: RowsText): HTMLElement {
  const style = text.style ?? "rate", [lo, hi] = text.domain ?? [0, 1];
  const scale = new Scale(lo, hi), drawer = new Drawer(), shown = rows.slice(0, MOST_ROWS);
  const line = text.line, keyed = !text.plain && (shown[0]?.parts.length ?? 0) > 1;
  const reference = (): HTMLElement | null => line ? span("reference", `left:${percent(scale.at(line.at))}`) : null;
  const items = shown.map((row, i) => {
    const marks = text.kind === "bars" ? bar(row, scale, text) : text.kind === "stack" ? stack(row, scale, i === 0) : dots(row, scale, text);
    const content = [h("span", { class: "label" }, row.label), h("span", { class: "track" }, reference(), ...marks)];
    const said = spoken(row, style), items = row.examples ?? [], name = `row${row.bold ? " bold" : ""}`;
    if (items.length === 0) return h("li", {}, h("div", { class: name, title: said }, ...content));
    const button = h("button", { type: "button", class: name, title: said, "aria-label": `${row.label}: ${said}. ${items.length} examples` }, ...content);
    drawer.add({ button, title: row.label, numbers: said, examples: items });
    return h("li", {}, button);
  });
  const ticks = scale.ticks().map((tick) => span("tick", `left:${percent(scale.at(tick))}`, number(tick, style)));
  const head = line ? h("div", { class: "row axis", "aria-hidden": "true" }, h("span", { class: "label" }),
    h("span", { class: "track" }, span(scale.at(line.at) < 12 ? "line-text left" : "line-text", `left:${percent(scale.at(line.at))}`, line.text))) : null;
  return h("div", { class: `rows picture ${text.kind}`, style: `--grid:${percent(100 / scale.steps)}` }, keyed ? key(shown[0]!.parts) : null, head,
    h("ul", { "aria-label": text.label }, ...items),
    h("div", { class: "row axis", "aria-hidden": "true" }, h("span", { class: "label" }), h("span", { class: "track" }, ...ticks)),
    rows.length > MOST_ROWS ? note(`${rows.length - MOST_ROWS} more rows are in the table.`) : null,
    !text.plain && shown.some((row) => row.examples?.length) ? h("p", { class: "hint" }, "Press a bar for the questions behind it.") : null, drawer.element);
}
