// Numbers and labels as a reader wants to see them.
import type { Num } from "./study";

const THIN = "\u202f";
export const MISSING = "–";

export type Style = "rate" | "ratio" | "count" | "plain";

// One decimal only where it tells something: 4.8 %, but 71 %.
function rate(value: number): string {
  const percent = value * 100;
  const text = Math.abs(percent) < 9.95 ? percent.toFixed(1).replace(/\.0$/, "") : percent.toFixed(0);
  return `${text}${THIN}%`;
}

export const known = (value: number | null | undefined): value is number => typeof value === "number" && Number.isFinite(value);

export function number(value: number | null | undefined, style: Style): string {
  if (!known(value)) return MISSING;
  if (style === "rate") return rate(value);
  if (style === "ratio") return value !== 0 && Math.abs(value) < 0.005 ? "under 0.01" : value.toFixed(2);
  if (style === "count") return value.toLocaleString("en-GB", { maximumFractionDigits: 0 });
  return String(Number(value.toPrecision(3)));
}

export const show = (num: Num | null | undefined, style: Style): string => number(num?.value, style);

export function interval(num: Num, style: Style): string {
  const [lo, hi] = num.ci;
  return known(lo) && known(hi) ? `${number(lo, style)} to ${number(hi, style)}` : MISSING;
}

// "41 % (38 % to 44 %)".
export function value_and_interval(num: Num, style: Style): string {
  const between = interval(num, style);
  return `${show(num, style)}${between === MISSING ? "" : ` (${between})`}`;
}

export const sentence = (num: Num, style: Style): string => `${value_and_interval(num, style)}, n = ${number(num.n, "count")}`;

// 4 130 000 parameters -> "4.1 million".
export function big(num: Num): string {
  const value = num.value;
  if (!known(value)) return MISSING;
  for (const [unit, name] of [[1e9, "billion"], [1e6, "million"]] as const)
    if (value >= unit) return `${Number((value / unit).toPrecision(2))} ${name}`;
  return number(value, "count");
}

// "16-40" -> "16–40": a range is written with a dash.
export const band = (label: string): string => label.replace(/(\d)-(\d)/g, "$1–$2");

// The bands of how often training showed a fact; all other labels are bands of some popularity.
const TIMES = /^(0|1-2|3-6|7-15|16-40|41\+)$/;
export function exposure(label: string): string {
  if (label === "all") return "all facts";
  if (label === "0") return "never seen in training";
  if (label === "unknown") return "how common: unknown";
  return TIMES.test(label) ? `seen ${band(label)} times` : label.startsWith("popularity") ? band(label) : `popularity ${band(label)}`;
}

export const words = (label: string): string => label.replaceAll("_", " ");

// A percent sign stays with its number.
export const unbroken = (text: string): string => text.replace(/(\d) %/g, `$1${THIN}%`);

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

// The first sentence and what follows it; a headline needs no more.
export function first_sentence(text: string): [first: string, rest: string] {
  const found = /^(.{12,}?[.!?])\s+(?=\p{Lu})(.*)$/su.exec(text);
  return found ? [found[1]!, found[2]!] : [text, ""];
}
