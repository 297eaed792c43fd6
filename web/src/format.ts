// Numbers and labels as a reader wants to see them.
import type { Advice, Num, Score } from "./study";

const THIN = "\u202f";
export const MISSING = "–";

export type Style = "rate" | "ratio" | "count" | "plain";

// One decimal only where it tells something: 4.8 %, but 71 %.
function rate(value: number): string {
  const percent = value * 100;
  const text = Math.abs(percent) < 9.95 ? percent.toFixed(1).replace(/\.0$/, "") : percent.toFixed(0);
  return `${text}${THIN}%`;
}

export function number(value: number | null | undefined, style: Style): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  if (style === "rate") return rate(value);
  if (style === "ratio") return value.toFixed(2);
  if (style === "count") return value.toLocaleString("en-GB", { maximumFractionDigits: 0 });
  return String(Number(value.toPrecision(3)));
}

export const show = (num: Num | null | undefined, style: Style): string => number(num?.value, style);

export function interval(num: Num, style: Style): string {
  const [lo, hi] = num.ci;
  return lo === null || hi === null ? MISSING : `${number(lo, style)} to ${number(hi, style)}`;
}

// "41 %", below it "38 % to 44 %, n = 300": the text of a pointer tip.
export function sentence(num: Num, style: Style): string {
  const between = interval(num, style);
  return `${show(num, style)}\n${between === MISSING ? "" : `${between}, `}n = ${number(num.n, "count")}`;
}

// 4 130 000 parameters -> "4.1 million".
export function big(num: Num): string {
  const value = num.value;
  if (value === null) return MISSING;
  for (const [unit, name] of [[1e9, "billion"], [1e6, "million"]] as const)
    if (value >= unit) return `${Number((value / unit).toPrecision(2))} ${name}`;
  return number(value, "count");
}

// "16-40" -> "16–40", "popularity 0-99" -> "0–99": the axis title says what it counts.
export const band = (label: string): string => label.replace(/^popularity\s+/, "").replace(/(\d)-(\d)/g, "$1–$2");

export function exposure_title(labels: string[]): string {
  return labels.some((label) => label.startsWith("popularity")) ? "popularity of the fact" : "times the fact was seen in training";
}

export function advice_sentence(advice: Advice, score: Score | undefined): string {
  const side = score?.surer === "lower" ? "over" : "under";
  return `Abstain ${side} ${number(advice.threshold.value, "ratio")}: error ${show(advice.error, "rate")}, coverage ${show(advice.coverage, "rate")}`;
}

// A percent sign stays with its number.
export const unbroken = (text: string): string => text.replace(/(\d) %/g, `$1${THIN}%`);

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
