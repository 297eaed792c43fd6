// Questions with their answers, and the drawer under a picture that shows those behind one bar.
import { details, h } from "./dom";
import { show } from "./format";
import type { Example, Verdict } from "./study";

const VERDICTS: Record<Verdict, string> = {
  right: "✓ right", wrong: "✗ wrong", context: "as the passage says", memory: "as it remembers", neither: "neither",
};

function card(item: Example): HTMLElement {
  const pairs: [string, string][] = [["Right answer", item.gold || "(none)"], ["Its answer", item.answer || "(empty)"]];
  if (item.context) pairs.unshift(["Passage", item.context]);
  return h("li", {},
    h("p", { class: "question" }, item.question),
    h("dl", {}, ...pairs.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    h("p", { class: "verdict" }, h("span", { class: `tag ${item.verdict}` }, VERDICTS[item.verdict] ?? item.verdict),
      ` confidence ${show(item.confidence, "ratio")} `, h("code", {}, item.id)));
}

const list = (items: Example[]): HTMLElement => h("ul", { class: "examples" }, ...items.map(card));

export function examples(title: string, items: Example[]): HTMLElement | null {
  return items.length ? details(`${title} (${items.length})`, list(items)) : null;
}

export interface Bar { button: HTMLElement; title: string; numbers: string; examples: Example[] }

// At most one bar of a picture is open. On paper nothing can be pressed: there, one example of each bar is shown.
export class Drawer {
  readonly element = h("div", { class: "drawer", "aria-live": "polite" });
  private open: Bar | null = null;
  private bars: Bar[] = [];

  constructor() {
    addEventListener("beforeprint", () => this.element.replaceChildren(h("p", { class: "numbers" }, "One example of each bar"),
      h("div", { class: "by-bar" }, ...this.bars.map((bar) => h("div", {}, h("h4", {}, bar.title), list(bar.examples.slice(0, 1)))))));
    addEventListener("afterprint", () => this.show(this.open));
    this.element.addEventListener("keydown", (event) => this.escape(event));
  }

  add(bar: Bar): void {
    this.bars.push(bar);
    bar.button.setAttribute("aria-expanded", "false");
    bar.button.addEventListener("click", () => this.show(this.open === bar ? null : bar));
    bar.button.addEventListener("keydown", (event) => this.escape(event));
  }

  private escape(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !this.open) return;
    const button = this.open.button;
    this.show(null);
    button.focus();
  }

  private show(bar: Bar | null): void {
    this.open = bar;
    for (const each of this.bars) each.button.setAttribute("aria-expanded", String(each === bar));
    if (!bar) return this.element.replaceChildren();
    const close = h("button", { type: "button", class: "close", "aria-label": "Close the examples" }, "✕");
    close.addEventListener("click", () => {
      this.show(null);
      bar.button.focus();
    });
    this.element.replaceChildren(h("div", { class: "drawer-head" }, h("h4", {}, bar.title), close),
      h("p", { class: "numbers" }, bar.numbers), list(bar.examples));
    this.element.scrollIntoView({ block: "nearest" });
  }
}
