// An answer's tokens: each is coloured by its probability; pointing, focus or a tap tells what else could have stood there.
import { h } from "../dom";
import { known, number } from "../format";
import type { Choice, TokenLogprob } from "./api";
import { bars, small } from "./bars";
import { hide_tip, show_tip } from "./tip";

export interface Token { text: string; probability: number; entropy: number | null; alternatives: { text: string; probability: number }[]; bytes: number[] | null }

// Five steps that a reader can tell apart, from sure to doubtful.
const STEPS: { least: number; name: string }[] = [
  { least: 0.9, name: "90–100\u202f%" }, { least: 0.7, name: "70–90\u202f%" }, { least: 0.4, name: "40–70\u202f%" },
  { least: 0.15, name: "15–40\u202f%" }, { least: 0, name: "under 15\u202f%" },
];
const step = (probability: number): number => STEPS.findIndex(({ least }) => probability >= least);

export function legend(): HTMLElement {
  return h("div", { class: "legend" }, h("span", {}, "Probability of each token"),
    h("ul", {}, ...STEPS.map(({ name }, i) => h("li", { class: `token doubt-${i}` }, name))));
}

// Blanks and line ends are tokens, too.
export function visible(text: string): string {
  if (text === "") return "end";
  if (text.trim() === "") return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");
  return text.replaceAll("\n", "↵").trim();
}

function token_of(given: TokenLogprob, entropy: number | undefined): Token {
  return {
    text: given.token, probability: Math.exp(given.logprob), entropy: entropy ?? null, bytes: given.bytes ?? null,
    alternatives: given.top_logprobs.map((one) => ({ text: one.token, probability: Math.exp(one.logprob) })),
  };
}

export function tokens_of(choice: Choice): Token[] {
  const entropies = choice.ken?.entropies ?? [];
  return (choice.logprobs?.content ?? []).map((given, i) => token_of(given, entropies[i]));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
function decoded(bytes: number[]): string | null {
  try {
    return utf8.decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
}

// A letter may be spread over several tokens: they are shown as one, as likely as all of them together.
export function joined(tokens: Token[]): Token[] {
  const shown: Token[] = [];
  let open: Token | null = null;
  for (const token of tokens) {
    const bytes: number[] | null = open ? [...open.bytes!, ...(token.bytes ?? [])] : token.bytes, text = bytes ? decoded(bytes) : token.text;
    const whole: Token = open ? { ...open, bytes, probability: open.probability * token.probability } : { ...token };
    if (text === null) {
      open = whole;
      continue;
    }
    shown.push(open ? { ...whole, text } : whole);
    open = null;
  }
  return open ? [...shown, { ...open, text: "\ufffd" }] : shown;
}

// How many of the tokens make up the text; those behind it only ended the answer (a stop, the end of the text).
function within(tokens: Token[], content: string): number {
  let text = "";
  if (content.trim() === "") return 0;
  for (let i = 0; i < tokens.length; ++i) {
    text += tokens[i]!.text;
    if (text.trim() === content.trim()) return i + 1;
  }
  return tokens.length;
}

function tip_of(token: Token, ending: boolean): HTMLElement[] {
  const others = token.alternatives.map(({ text, probability }) => ({ label: visible(text), value: probability, strong: text === token.text }));
  return [
    h("p", { class: "tip-head" }, h("b", {}, visible(token.text)), ` ${small(token.probability)}`, ...(ending ? [h("span", { class: "note" }, " ends the answer")] : [])),
    ...(known(token.entropy) ? [h("p", { class: "note" }, `entropy ${number(token.entropy, "ratio")} nats`)] : []),
    ...(others.length ? [h("p", { class: "note" }, "What could have stood here"), bars(others, "likeliest tokens")] : []),
  ];
}

// One stop of the Tab key; within it the arrow keys go from token to token.
export class TokenText {
  readonly element = h("p", { class: "tokens", role: "group", "aria-label": "Answer, token by token; arrow keys move" });
  private tokens: Token[] = [];

  get empty(): boolean { return this.tokens.length === 0; }

  constructor() {
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusout", () => hide_tip());
  }
  // While the answer is written only its end changes.
  push(tokens: Token[]): void {
    this.tokens.push(...tokens);
    const shown = joined(this.tokens), kept = Math.max(0, this.element.childElementCount - 1);
    while (this.element.childElementCount > kept) this.element.lastChild!.remove();
    this.element.append(...shown.slice(kept).map((token, i) => this.span(token, kept + i, false)));
  }
  finish(content: string): void { this.set(this.tokens, content); }
  set(tokens: Token[], content: string): void {
    this.tokens = [...tokens];
    const shown = joined(tokens), end = within(shown, content), at = this.focused();
    this.element.replaceChildren(...shown.map((token, i) => this.span(token, i, i >= end)));
    if (at >= 0) (this.element.children[at] as HTMLElement | undefined)?.focus();
  }
  private focused(): number {
    return [...this.element.children].indexOf(document.activeElement as Element);
  }
  private span(token: Token, i: number, ending: boolean): HTMLElement {
    const text = ending ? visible(token.text) : i === 0 ? token.text.trimStart() : token.text;
    const span = h("span", {
      class: `token doubt-${step(token.probability)}${ending ? " ending" : ""}`, role: "button", tabindex: i === 0 ? "0" : "-1",
      "aria-label": `${visible(token.text)}, ${small(token.probability)}`,
    }, text || "␣");
    const show = (): void => show_tip(span, ...tip_of(token, ending));
    span.addEventListener("mouseenter", show);
    span.addEventListener("mouseleave", () => document.activeElement !== span && hide_tip(span));
    span.addEventListener("focus", show);
    span.addEventListener("click", () => span.focus());
    return span;
  }
  private key(event: KeyboardEvent): void {
    const all = [...this.element.children] as HTMLElement[], at = this.focused();
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = all[Math.max(0, Math.min(all.length - 1, to))]!;
    for (const each of all) each.tabIndex = each === next ? 0 : -1;
    next.focus();
  }
}
