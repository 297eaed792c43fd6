// The workbench: asks the server what it serves, then lays out the question, the documents and the panels.
import { h, note, type Child } from "../dom";
import { number } from "../format";
import { ApiError, get, has_key, on_unauthorized, set_key, type Method, type ModelCard } from "./api";
import { AskPanel } from "./ask_panel";
import { complaint, estimators_of, Jobs, remember, type Bench, type Panel } from "./bench";
import { Composer } from "./composer";
import { examples, type Example } from "./examples";
import { InsidePanel } from "./inside_panel";
import { ReportPanel } from "./report_panel";
import { SamplesPanel } from "./samples_panel";
import { SteerPanel } from "./steer_panel";
import { Tabs } from "./tabs";
import { escape_tip } from "./tip";
import { view_from } from "./view";

const page = document.getElementById("workbench")!;

// Shown when the server answers 401; a key that was wrong is asked for again.
function key_form(): HTMLElement {
  const input = h("input", { type: "password", id: "api-key", autocomplete: "off", required: "" }) as HTMLInputElement;
  const form = h("form", { class: "key-form" }, h("label", { for: "api-key" }, has_key() ? "The server does not take this key. Give another" : "This server wants an API key"),
    h("div", { class: "inputs" }, input, h("button", { type: "submit", class: "send" }, "Use it")),
    note("It is kept in this browser tab until the tab is closed."));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    set_key(input.value.trim());
    void start();
  });
  return form;
}

function header(model: ModelCard | null): HTMLElement {
  const facts = model ? [
    `${model.ken.n_layers} layers`, `d_model ${number(model.ken.d_model, "count")}`, `${number(model.ken.vocab, "count")} tokens of vocabulary`,
    `context of ${number(model.max_model_len, "count")}`, model.ken.chat_template ? "asked through its chat template" : "asked in its own form",
    model.ken.calibrated ? "calibrated" : "not calibrated",
  ] : [];
  return h("header", { class: "bench-header" }, h("p", { class: "kicker" }, h("b", {}, "ken"), " workbench"), model ? h("h1", {}, model.id) : null,
    model ? h("p", { class: "model-facts", title: `sha256 ${model.ken.sha256}` }, facts.join(" · ")) : null);
}

class Workbench {
  private readonly bench: Bench;
  private readonly panels: Panel[];
  private readonly composer: Composer;
  private readonly tabs: Tabs;
  private readonly ran = new Map<Panel, number>(); // which question a panel has last worked on
  private sent = 0;
  private panel: Panel;

  constructor(private readonly model: ModelCard, methods: Method[]) {
    const jobs = new Jobs((busy) => (this.composer.busy = busy));
    this.bench = { view: view_from(location.hash), model, methods, jobs, change: (part) => remember(Object.assign(this.bench.view, part)) };
    const offered = estimators_of(this.bench).map(({ id }) => id);
    this.bench.view.confidence = this.bench.view.confidence.filter((id) => offered.includes(id));
    this.composer = new Composer(this.bench, () => this.ask());
    this.panels = [new AskPanel(this.bench, examples(model, (example) => this.try_out(example))), new SteerPanel(this.bench), new InsidePanel(this.bench), new SamplesPanel(this.bench), new ReportPanel()];
    this.panel = this.panels[0]!;
    this.tabs = new Tabs(this.panels, (panel) => this.opened(panel));
  }

  stop(): void { this.bench.jobs.stop(); }

  elements(): Child[] {
    const skip = h("button", { type: "button", class: "skip" }, "Skip to the question");
    skip.addEventListener("click", () => this.composer.question.focus());
    return [skip, header(this.model),
      h("div", { class: "bench", role: "main" }, this.composer.element, this.tabs.element, ...this.panels.map((panel) => panel.element))];
  }

  // A shared view is computed anew, an empty one waits.
  start(): void {
    if (this.bench.view.question.trim()) this.sent = 1;
    this.tabs.open(this.bench.view.tab);
    if (!this.sent) this.composer.question.focus({ preventScroll: true });
  }

  private opened(panel: Panel): void {
    this.panel = panel;
    this.composer.action = panel.action;
    if (this.bench.view.tab !== panel.id) this.bench.change({ tab: panel.id });
    if (this.sent > 0 && this.ran.get(panel) !== this.sent) this.run();
  }

  private ask(): void {
    if (!this.bench.view.question.trim()) return this.composer.question.focus();
    this.sent += 1;
    this.run();
  }

  private run(): void {
    this.ran.set(this.panel, this.sent);
    void this.panel.run();
  }

  private try_out({ question, documents }: Example): void {
    this.composer.fill(question, documents);
    this.ask();
  }
}

let current: Workbench | null = null;

async function start(): Promise<void> {
  current?.stop();
  page.replaceChildren(header(null), note("Asking the server what it serves …"));
  try {
    const [models, methods] = await Promise.all([get<{ data: ModelCard[] }>("v1/models"), get<{ data: Method[] }>("ken/methods")]);
    const model = models.data[0]!;
    current = new Workbench(model, methods.data);
    document.title = `${model.id} · ken workbench`;
    page.replaceChildren(...current.elements().filter((child) => child !== null));
    current.start();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) page.replaceChildren(header(null), complaint(error.message));
  }
}

on_unauthorized(() => page.replaceChildren(header(null), key_form()));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !escape_tip()) current?.stop();
});
addEventListener("hashchange", () => void start());
void start();
