// The question and the documents that all panels share, and what sends and stops them.
import { h } from "../dom";
import type { Bench } from "./bench";
import { options } from "./options";
import { passages } from "./view";

function text_box(id: string, rows: number, value: string, placeholder: string, change: (text: string) => void): HTMLTextAreaElement {
  const box = h("textarea", { id, rows: String(rows), placeholder, spellcheck: "false" }) as HTMLTextAreaElement;
  box.value = value;
  box.addEventListener("input", () => change(box.value));
  return box;
}

export class Composer {
  readonly element: HTMLElement;
  readonly question: HTMLTextAreaElement;
  private readonly documents: HTMLTextAreaElement;
  private readonly count = h("span", { class: "note" });
  private readonly send = h("button", { type: "submit", class: "send" });
  private readonly stop = h("button", { type: "button", class: "stop", disabled: "" }, "Stop");

  constructor(private readonly bench: Bench, sent: () => void) {
    this.question = text_box("question", 2, bench.view.question, "Ask the model something", (question) => bench.change({ question }));
    this.documents = text_box("documents", 5, bench.view.documents, "Paste what it should read; an empty line between passages", (documents) => {
      bench.change({ documents });
      this.counted();
    });
    this.stop.addEventListener("click", () => bench.jobs.stop());
    const form = h("form", { class: "composer", "aria-label": "Question and documents" },
      h("div", { class: "box" }, h("label", { for: "question" }, "Question"), this.question),
      h("div", { class: "box documents" }, h("label", { for: "documents" }, "Documents ", this.count), this.documents),
      h("div", { class: "buttons" }, this.send, this.stop, h("span", { class: "note keys" }, "Enter sends, Escape stops")), options(bench));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sent();
    });
    form.addEventListener("keydown", (event) => this.key(event, sent));
    this.element = form;
    this.counted();
  }

  // Enter in the question, Ctrl+Enter anywhere; Shift+Enter begins a line.
  private key(event: KeyboardEvent, sent: () => void): void {
    const asks = event.target === this.question && !event.shiftKey, anywhere = event.ctrlKey || event.metaKey;
    if (event.key !== "Enter" || event.isComposing || !(asks || anywhere)) return;
    event.preventDefault();
    sent();
  }
  private counted(): void {
    const n = passages(this.bench.view.documents).length;
    this.count.textContent = n === 0 ? "(none: from memory alone)" : n === 1 ? "(1 passage)" : `(${n} passages)`;
  }
  fill(question: string, documents: string): void {
    this.question.value = question, this.documents.value = documents;
    this.bench.change({ question, documents });
    this.counted();
  }
  set action(name: string | null) {
    this.element.hidden = name === null;
    this.send.textContent = name ?? "";
  }
  set busy(busy: boolean) {
    this.stop.toggleAttribute("disabled", !busy);
    this.element.classList.toggle("busy", busy);
  }
}
