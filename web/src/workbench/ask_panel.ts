// The answer as it is written, what is known about it, and beside it the answer without the documents.
import { h, note } from "../dom";
import { post, post_stream, type Choice, type Knowledge, type Reply } from "./api";
import { asked, complaint, estimators_of, panel_element, Runner, type Bench, type Panel } from "./bench";
import { source_part, sureness_part } from "./evidence";
import { legend, tokens_of, TokenText } from "./tokens";
import { passages } from "./view";

const top = { logprobs: true, top_logprobs: 5 };

// A heading, the tokens, and a word on what stands under them.
class Written {
  readonly tokens = new TokenText();
  private readonly below = h("p", { class: "note" });
  readonly element: HTMLElement;
  text = "";
  constructor(title: string) {
    this.element = h("section", { class: "written", "aria-label": title }, h("h3", {}, title), this.tokens.element, this.below);
    this.tokens.element.classList.add("waiting");
  }
  add(choice: Choice): void {
    this.text += choice.delta?.content ?? "";
    this.tokens.push(tokens_of(choice));
    if (!this.tokens.empty) this.tokens.element.classList.remove("waiting");
    if (choice.finish_reason) this.end(choice);
  }
  whole(choice: Choice): void {
    this.text = choice.message?.content ?? "";
    this.tokens.set(tokens_of(choice), this.text);
    this.tokens.element.classList.remove("waiting");
    this.end(choice, false);
  }
  private end(choice: Choice, streamed = true): void {
    if (streamed) this.tokens.finish(this.text);
    this.below.textContent = choice.finish_reason === "length" ? "Cut at the longest answer allowed." : this.text.trim() === "" ? "The answer is empty." : "";
  }
  withheld(under: number): void {
    this.tokens.element.classList.remove("waiting");
    this.tokens.element.replaceChildren();
    this.below.textContent = `Withheld: the answer is less sure than ${under}.`;
  }
}

async function streamed(bench: Bench, written: Written, closed_book: boolean, signal: AbortSignal): Promise<Knowledge> {
  const body = { ...asked(bench, {}, closed_book), ...top, temperature: bench.view.temperature };
  let knowledge: Knowledge = {};
  for await (const { choices } of post_stream("v1/chat/completions", body, signal))
    for (const choice of choices) {
      written.add(choice);
      knowledge = { ...knowledge, ...choice.ken };
    }
  return knowledge;
}

export class AskPanel implements Panel {
  readonly id = "ask";
  readonly name = "Answer";
  readonly action = "Ask";
  readonly out = h("div", { class: "out", "aria-live": "polite" });
  readonly element: HTMLElement;
  private readonly runner: Runner;

  constructor(private readonly bench: Bench, empty: HTMLElement) {
    this.out.append(empty);
    this.element = panel_element("ask", this.out);
    this.runner = new Runner(bench, this.out);
  }

  run(): Promise<void> {
    return this.runner.run((signal) => this.answer(signal));
  }

  private async answer(signal: AbortSignal): Promise<void> {
    const { view } = this.bench, beside = passages(view.documents).length > 0;
    const withhold = view.abstain_under !== null && view.temperature === 0; // what is to be withheld is not written first, nor beside
    const answer = new Written(beside ? "With the documents" : "Answer"), memory = beside && !withhold ? new Written("From memory, without the documents") : null;
    const known = h("div", { class: "known" });
    this.out.replaceChildren(h("div", { class: memory ? "side-by-side" : "" }, answer.element, memory?.element ?? ""), legend(), known);
    const own = async (): Promise<void> => {
      const knowledge = withhold ? {} : await streamed(this.bench, answer, false, signal);
      if (view.temperature === 0) await this.measure(answer, known, knowledge, signal);
      else known.replaceChildren(sureness_part(knowledge, null, []), note("Confidence and source belong to the likeliest answer: set the temperature to 0."));
    };
    await Promise.all([own(), memory ? streamed(this.bench, memory, true, signal) : null]);
  }

  // The same answer again with its evidence, which comes in one piece. Where that fails, the answer stays.
  private async measure(answer: Written, known: HTMLElement, streamed: Knowledge, signal: AbortSignal): Promise<void> {
    if (streamed.probability !== undefined) known.replaceChildren(sureness_part(streamed, null, []));
    known.classList.add("measuring");
    try {
      const reply = await post<Reply>("v1/chat/completions", { ...asked(this.bench, this.wanted()), ...top, temperature: 0 }, signal);
      this.measured(answer, known, reply);
    } catch (error) {
      if ((error as Error).name === "AbortError") throw error;
      known.prepend(complaint((error as Error).message));
    } finally {
      known.classList.remove("measuring");
    }
  }

  private wanted(): Record<string, unknown> {
    const { view, model } = this.bench;
    return {
      ...(view.confidence.length ? { confidence: view.confidence } : {}),
      ...(passages(view.documents).length ? { source: true } : {}),
      ...(view.abstain_under !== null && model.ken.calibrated ? { abstain_under: view.abstain_under } : {}),
    };
  }

  private measured(answer: Written, known: HTMLElement, reply: Reply): void {
    const choice = reply.choices[0]!, ken = reply.ken ?? null;
    if (ken?.abstained) answer.withheld(this.bench.view.abstain_under ?? 0);
    else answer.whole(choice);
    const source = ken?.source && !ken.abstained ? source_part(ken.source, answer.text.trim()) : null;
    known.replaceChildren(...(source ? [source] : []), sureness_part(choice.ken ?? {}, ken, estimators_of(this.bench)));
  }
}
