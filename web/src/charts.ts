// What the drawn pictures share: a box that redraws at its own width, keys, scales, lines with intervals.
import * as Plot from "@observablehq/plot";
import { h } from "./dom";
import { known, number, sentence, type Style } from "./format";
import type { Num } from "./study";

export interface Series { name: string; color: string; symbol: "circle" | "square" | "triangle" | "diamond" | "star" | "cross"; dash?: string }

// One order of colours for series without a meaning of their own; shape and dash repeat what the colour says.
const SERIES: Omit<Series, "name">[] = [
  { color: "var(--blue)", symbol: "circle" },
  { color: "var(--vermilion)", symbol: "square", dash: "7 3" },
  { color: "var(--green)", symbol: "triangle", dash: "2 3" },
  { color: "var(--purple)", symbol: "diamond", dash: "9 3 2 3" },
  { color: "var(--sky)", symbol: "star", dash: "4 2" },
  { color: "var(--quiet)", symbol: "cross", dash: "1 2" },
];

export function series(names: string[], from = 0): Series[] {
  return names.map((name, i) => ({ name, ...SERIES[(i + from) % SERIES.length]! }));
}

// The chart follows its box, not the window, so that grids, phones and zoom all work.
export function chart(draw: (width: number) => Element): HTMLElement {
  const box = h("div", { class: "chart picture" });
  let drawn = 0;
  new ResizeObserver((entries) => {
    const width = Math.floor(entries[0]?.contentRect.width ?? 0);
    if (width === drawn || width < 40) return;
    drawn = width;
    box.replaceChildren(draw(width));
  }).observe(box);
  return box;
}

export function key(items: Series[]): HTMLElement {
  return h("ul", { class: "key" }, ...items.map((item) => {
    const swatch = Plot.plot({
      width: 26, height: 12, margin: 0, axis: null, x: { domain: [0, 1] }, y: { domain: [0, 1] },
      marks: [
        Plot.ruleY([0.5], { stroke: item.color, strokeWidth: 2, strokeDasharray: item.dash ?? "none" }),
        Plot.dot([0], { x: 0.5, y: 0.5, symbol: item.symbol, fill: item.color, r: 4 }),
      ],
    });
    swatch.setAttribute("aria-hidden", "true");
    return h("li", {}, h("span", { class: "swatch" }, swatch), item.name);
  }));
}

export interface PlotText { label: string; width: number; height: number }

export function plot(text: PlotText, options: Plot.PlotOptions): Element {
  const drawn = Plot.plot({
    width: text.width, height: text.height, marginTop: 14, marginRight: 20, marginBottom: 40,
    style: { fontSize: "12px", fontFamily: "inherit", background: "none", overflow: "visible" }, ...options,
  });
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", text.label);
  return drawn;
}

// One value with its interval, ready to draw. A missing value is NaN: no dot is drawn and a line breaks there.
export interface Mark { at: string; value: number; lo: number | null; hi: number | null; n: number; tip: string }

export function mark(at: string, what: string, num: Num, style: Style): Mark {
  return { at, value: num.value ?? NaN, lo: num.ci[0], hi: num.ci[1], n: num.n, tip: `${at}\n${what} ${sentence(num, style)}` };
}

export const has_interval = (d: { lo: number | null; hi: number | null }): boolean => known(d.lo) && known(d.hi);

// A line over ordered labels with dots and intervals; dx keeps the intervals of two series apart.
export function line_up(data: Mark[], line: Series, dx = 0): Plot.Markish[] {
  return [
    Plot.lineY(data, { x: "at", y: "value", stroke: line.color, strokeWidth: 2, strokeDasharray: line.dash ?? "none", dx }),
    Plot.ruleX(data.filter(has_interval), { x: "at", y1: "lo", y2: "hi", stroke: line.color, strokeWidth: 1.5, dx }),
    Plot.dot(data, { x: "at", y: "value", fill: line.color, symbol: line.symbol, r: 4, dx, title: "tip", tip: true }),
  ];
}

export const percent_tick = (value: number): string => number(value, "rate");

// The axis of a chart of rates, from 0 to 100 %.
export const rate_axis = (ticks = 5): Plot.ScaleOptions =>
  ({ domain: [0, 1], tickFormat: percent_tick, ticks, tickSize: 0, grid: true, label: null });

// Measured, because system fonts differ by a fifth in width.
let ruler: CanvasRenderingContext2D | null = null;
export function text_width(text: string): number {
  ruler ??= document.createElement("canvas").getContext("2d");
  if (!ruler) return text.length * 7;
  ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

export const widest = (texts: string[]): number => Math.max(0, ...texts.map(text_width));

// A label that must fit a fixed room: cut at the end, whole in the table.
export const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// The horizontal axis of named steps. Labels that would run into one another are slanted, and get the room that takes.
export interface Steps { axis: Plot.Markish; marginBottom: number; extra: number }

export function steps(labels: string[], width: number, label: string): Steps {
  const longest = widest(labels), slant = longest > width / Math.max(1, labels.length) - 6;
  const extra = slant ? Math.ceil(longest * 0.65) : 0, marginBottom = 40 + extra;
  const axis = Plot.axisX({ label, tickSize: 0, labelAnchor: "center", labelArrow: "none", labelOffset: marginBottom - 4, tickRotate: slant ? -40 : 0 });
  return { axis, marginBottom, extra };
}
