// How the answer changes with one parameter: the same question at some ten settings, as a line for each answer.
import * as Plot from "@observablehq/plot";
import { chart, cut, key, rate_axis, series, type Series } from "../charts";
import { h } from "../dom";
import { number } from "../format";
import { post, type Reply } from "./api";
import { asked, steering, type Bench } from "./bench";
import { small } from "./bars";
import { round_step, type Range } from "./params";
import { visible } from "./tokens";

const SETTINGS = 10, ALTERNATIVES = 20, AT_ONCE = 3, MOST_LINES = 4;

// What was said at one setting, and how the answer could have begun.
export interface Setting { at: number; answer: string; probability: number; first: string; begins: Map<string, number> }

function setting_of(at: number, reply: Reply): Setting {
  const choice = reply.choices[0]!, token = choice.logprobs?.content[0];
  const begins = new Map((token?.top_logprobs ?? []).map((one) => [one.token, Math.exp(one.logprob)]));
  if (token) begins.set(token.token, Math.exp(token.logprob));
  return { at, answer: (choice.message?.content ?? "").trim(), probability: choice.ken?.probability ?? NaN, first: token?.token ?? "", begins };
}

// Round numbers over the slider's range, where nothing happens, and the setting now.
export function settings_of({ lo, hi, step }: Range, nothing: number | null, current: number): number[] {
  const apart = Math.max(step, round_step((hi - lo) / SETTINGS)), all = [lo, hi, nothing, current];
  for (let at = Math.ceil(lo / apart) * apart; at < hi; at += apart) all.push(at);
  const within = all.filter((at): at is number => at !== null && at >= lo && at <= hi);
  return [...new Set(within.map((at) => Number(at.toFixed(9))))].sort((a, b) => a - b);
}

// A few at a time, so that the answer that is waited for comes between.
export async function sweep(bench: Bench, param: string, settings: number[], signal: AbortSignal, each: (done: Setting[]) => void): Promise<void> {
  const { params } = bench.view, done: Setting[] = [], left = [...settings];
  const work = async (): Promise<void> => {
    for (let at = left.shift(); at !== undefined; at = left.shift()) {
      const body = { ...asked(bench, steering(bench, { ...params, [param]: at })), temperature: 0, logprobs: true, top_logprobs: ALTERNATIVES };
      done.push(setting_of(at, await post<Reply>("v1/chat/completions", body, signal)));
      done.sort((a, b) => a.at - b.at);
      each(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

interface Point { at: number; value: number; given: boolean; tip: string }
interface Line { series: Series; points: Point[] }

// One line for each way that an answer began; where answers begin alike, the line is named by the first of them.
function lines_of(done: Setting[]): Line[] {
  const firsts = new Map<string, string[]>();
  for (const { first, answer } of done) firsts.set(first, [...new Set([...(firsts.get(first) ?? []), answer])]);
  const names = [...firsts].slice(0, MOST_LINES), styles = series(names.map(([, answers]) => answers.map((text) => cut(text || "(empty)", 32)).slice(0, 2).join(" / ")));
  return names.map(([first], i) => ({ series: styles[i]!, points: done.map((setting) => point_of(setting, first)) }));
}

function point_of({ at, begins, first, answer, probability }: Setting, of: string): Point {
  const value = begins.get(of) ?? 0, given = first === of;
  const said = given ? `\nthe answer: ${cut(answer, 40)}, ${small(probability)}` : "";
  return { at, value, given, tip: `${number(at, "plain")}: ${visible(of)} ${small(value)}${said}` };
}

function marks_of({ series: { color, dash, symbol }, points }: Line): Plot.Markish[] {
  return [
    Plot.lineY(points, { x: "at", y: "value", stroke: color, strokeWidth: 2, strokeDasharray: dash ?? "none" }),
    Plot.dot(points, { x: "at", y: "value", stroke: color, fill: (d: Point) => (d.given ? color : "var(--paper)"), symbol, r: 4.5, title: "tip", tip: true }),
  ];
}

export function sweep_picture(param: string, done: Setting[], current: number, nothing: number | null): HTMLElement {
  const lines = lines_of(done), range = done.map(({ at }) => at);
  return h("div", {}, key(lines.map((line) => line.series)), chart((width) => Plot.plot({
    width, height: Math.min(300, Math.max(210, width * 0.42)), marginLeft: 48, marginRight: 16, marginTop: 18, marginBottom: 38, style: { fontSize: "12px", background: "transparent" },
    ariaLabel: `Probability of each answer's first token by ${param}`,
    x: { label: param, labelAnchor: "center", labelArrow: "none", domain: [Math.min(...range, current), Math.max(...range, current)], ticks: Math.min(9, width / 60), tickSize: 3 },
    y: rate_axis(),
    marks: [
      ...(nothing === null ? [] : [Plot.ruleX([nothing], { stroke: "var(--quiet)", strokeDasharray: "2 3" }), Plot.text([nothing], { x: (d: number) => d, text: () => "no steering", frameAnchor: "top", dy: -14, fill: "var(--soft)" })]),
      Plot.ruleX([current], { stroke: "var(--ink)", strokeWidth: 1.5 }),
      ...lines.flatMap(marks_of),
    ],
  })));
}
