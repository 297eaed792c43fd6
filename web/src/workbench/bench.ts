// What the panels share: the view, what the server offers, and the jobs under way.
import { h, type Child } from "../dom";
import type { Method, ModelCard, Value } from "./api";
import { hash_of, passages, type Tab, type View } from "./view";

// Everything that is computed for the page; Stop and Escape end it.
export class Jobs {
  private running = new Set<AbortController>();
  constructor(private readonly told: (busy: boolean) => void) {}

  get busy(): boolean { return this.running.size > 0; }

  async run(work: (signal: AbortSignal) => Promise<void>, controller = new AbortController()): Promise<void> {
    this.running.add(controller);
    this.told(true);
    try {
      await work(controller.signal);
    } finally {
      this.running.delete(controller);
      this.told(this.busy);
    }
  }
  stop(): void {
    for (const controller of this.running) controller.abort();
  }
}

export interface Bench { view: View; model: ModelCard; methods: Method[]; jobs: Jobs; change(part: Partial<View>): void }

// A way to look at the same question. `action` is what the send button says, null where there is nothing to send.
export interface Panel { id: Tab; name: string; action: string | null; element: HTMLElement; run(): Promise<void> }

export const controls_of = (bench: Bench): Method[] => bench.methods.filter((method) => method.kind === "control");
export const estimators_of = (bench: Bench): Method[] => bench.methods.filter((method) => method.kind === "confidence");

export function remember(view: View): void {
  const hash = hash_of(view);
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

// The question as every route takes it; `ken` are ken's own fields beside the documents.
export function asked({ view }: Bench, ken: Record<string, unknown>, closed_book = false): Record<string, unknown> {
  const documents = closed_book ? [] : passages(view.documents);
  const instruction = documents.length && view.instruction.trim() ? { instruction: view.instruction.trim() } : {};
  return {
    messages: [{ role: "user", content: view.question.trim() }],
    ...(view.max_tokens ? { max_tokens: view.max_tokens } : {}),
    ken: { ...(documents.length ? { context: documents } : {}), ...instruction, ...ken },
  };
}

// The control that was chosen; until then the one whose effect shows best, of which the address says nothing.
export function control_of(bench: Bench): Method | undefined {
  const controls = controls_of(bench), named = (id: string): Method | undefined => controls.find((method) => method.id === id);
  return named(bench.view.control) ?? named("cad") ?? controls[0];
}

export function steering(bench: Bench, params: Record<string, Value> = bench.view.params): Record<string, unknown> {
  const control = control_of(bench);
  return control ? { controls: [{ name: control.id, ...params }] } : {};
}

export const complaint = (text: string): HTMLElement => h("p", { class: "complaint", role: "alert" }, text);

// One panel's work: a new run ends the one before; an error is said in `out`, and an abort where nothing stands yet.
export class Runner {
  private current: AbortController | null = null;
  constructor(private readonly bench: Bench, private readonly out: HTMLElement) {}

  async run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.current?.abort();
    const mine = new AbortController();
    this.current = mine;
    this.out.setAttribute("aria-busy", "true");
    try {
      await this.bench.jobs.run(work, mine);
    } catch (error) {
      if (this.current === mine) this.say(error as Error);
    } finally {
      if (this.current === mine) this.out.setAttribute("aria-busy", "false");
    }
  }
  private say(error: Error): void {
    if (error.name !== "AbortError") return this.out.replaceChildren(complaint(error.message));
    this.out.append(h("p", { class: "note stopped" }, "Stopped."));
  }
}

export function panel_element(id: Tab, ...children: Child[]): HTMLElement {
  return h("div", { id: `panel-${id}`, role: "tabpanel", "aria-labelledby": `tab-${id}`, class: "panel-body", hidden: "" }, ...children);
}
