// Small bars of probabilities: a label, a track, the number.
import { h, type Child } from "../dom";
import { known, number } from "../format";

export interface Bar { label: string; value: number | null; color?: string; strong?: boolean; labelled?: Child }

function bar({ label, value, color, strong, labelled }: Bar, scale: number): HTMLElement {
  const width = known(value) ? Math.max(0, Math.min(100, (100 * value) / scale)) : 0;
  return h("li", { class: strong ? "mini strong" : "mini" },
    h("span", { class: "mini-label", title: label }, labelled ?? label),
    h("span", { class: "mini-track" }, h("span", { class: "mini-fill", style: `width:${width.toFixed(2)}%;background:${color ?? "var(--blue)"}` })),
    h("span", { class: "mini-value" }, small(value)));
}

// Probabilities of tokens go down to nothing: 0.03 % is not 0.
export function small(value: number | null): string {
  if (known(value) && value > 0 && value < 0.0005) return "< 0.05\u202f%";
  return number(value, "rate");
}

export function bars(items: Bar[], label: string, scale = 1): HTMLElement {
  return h("ul", { class: "minis", "aria-label": label }, ...items.map((item) => bar(item, scale)));
}
