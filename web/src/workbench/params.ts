// Fields for the parameters of a method: sliders for numbers, selects for choices, checkboxes.
import { h } from "../dom";
import type { Param, Value } from "./api";

const SEEDS = /seed$/;
const COUNTS = /^(top|k|n|words|samples|window|steps|feature|at|shift)$/;
// JSON writes 1.0 as 1: what is a count is told by its name.
const counts = (param: Param): boolean => Number.isInteger(param.default) && (SEEDS.test(param.name) || COUNTS.test(param.name));

export interface Range { lo: number; hi: number; step: number }

const NEAR = 8, STEPS = 60; // bounds so near are the slider's own; about so many places on it

// A slider wants a range that a hand can use: the bounds where they are near, else some way around the standard value.
export function range_of(param: Param): Range {
  const min = param.minimum ?? -Infinity, max = param.maximum ?? Infinity, standard = Math.abs(Number(param.default));
  const reach = standard > 0 ? 4 * standard : counts(param) ? 20 : 3, near = max - min <= NEAR;
  const lo = near || min >= -1 ? min : -Math.min(reach, -min), hi = near ? max : Math.min(max, reach);
  return { lo, hi, step: counts(param) ? 1 : round_step((hi - lo) / STEPS) };
}

// 1, 2 or 5 times a power of ten.
export function round_step(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least)), times = least / power;
  return Number(((times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10) * power).toPrecision(1));
}

export const slides = (param: Param): boolean => param.settable && typeof param.default === "number" && !SEEDS.test(param.name) && Math.abs(param.default) < 1e6;

interface Field { param: Param; value: Value; change: (value: Value) => void }

function numeric({ param, value, change }: Field, id: string): HTMLElement[] {
  const { lo, hi, step } = range_of(param), text = String(value);
  const number = h("input", { type: "number", id, value: text, step: counts(param) ? "1" : "any" }) as HTMLInputElement;
  if (param.minimum !== undefined) number.min = String(param.minimum);
  if (param.maximum !== undefined) number.max = String(param.maximum);
  if (!slides(param)) {
    number.addEventListener("input", () => number.checkValidity() && number.value !== "" && change(Number(number.value)));
    return [number];
  }
  const slider = h("input", { type: "range", id: `${id}-slider`, min: String(lo), max: String(hi), step: String(step), value: text, "aria-label": param.name }) as HTMLInputElement;
  slider.addEventListener("input", () => {
    number.value = slider.value;
    change(Number(slider.value));
  });
  number.addEventListener("input", () => {
    if (!number.checkValidity() || number.value === "") return;
    slider.value = number.value;
    change(Number(number.value));
  });
  return [slider, number];
}

function choice({ param, value, change }: Field, id: string): HTMLElement[] {
  const select = h("select", { id }, ...param.choices!.map((name) => h("option", { value: name }, name))) as HTMLSelectElement;
  select.value = String(value);
  select.addEventListener("change", () => change(select.value));
  return [select];
}

function other({ param, value, change }: Field, id: string): HTMLElement[] {
  if (typeof param.default === "boolean") {
    const box = h("input", { type: "checkbox", id }) as HTMLInputElement;
    box.checked = value === true;
    box.addEventListener("change", () => change(box.checked));
    return [box];
  }
  const text = h("input", { type: "text", id, value: String(value), placeholder: "a name that the server's operator gave" }) as HTMLInputElement;
  text.addEventListener("change", () => change(text.value));
  return [text];
}

export function field(given: Field): HTMLElement {
  const { param } = given, id = `param-${param.name}`;
  const inputs = param.choices?.length ? choice(given, id) : typeof param.default === "number" ? numeric(given, id) : other(given, id);
  return h("div", { class: "field" }, h("label", { for: id }, param.name), h("div", { class: "inputs" }, ...inputs), h("p", { class: "note" }, param.meaning));
}
