// Steering: a control and its parameters, the answer before and after, and how the answer changes with one parameter.
import { h, note } from "../dom";
import { post, type Choice, type Method, type Param, type Reply, type Value } from "./api";
import { asked, control_of, controls_of, panel_element, Runner, steering, type Bench, type Panel } from "./bench";
import { small } from "./bars";
import { field, range_of, slides } from "./params";
import { settings_of, sweep, sweep_picture, type Setting } from "./sweep";
import { legend, tokens_of, TokenText } from "./tokens";

const PATIENCE = 250; // milliseconds that a slider rests before the answer is asked for

function answer_part(title: string, choice: Choice): HTMLElement {
  const tokens = new TokenText(), text = choice.message?.content ?? "";
  tokens.set(tokens_of(choice), text);
  return h("section", { class: "written", "aria-label": title }, h("h3", {}, title), tokens.element,
    h("p", { class: "note" }, text.trim() ? `probability of the whole answer ${small(choice.ken?.probability ?? null)}` : "The answer is empty."));
}

function paper(text: string): HTMLElement {
  const id = /^arXiv (\d{4}\.\d{4,5})/.exec(text)?.[1];
  return id ? h("a", { href: `https://arxiv.org/abs/${id}`, rel: "noreferrer", target: "_blank" }, text) : h("span", {}, text);
}

export class SteerPanel implements Panel {
  readonly id = "steer";
  readonly name = "Steer";
  readonly action = "Ask and steer";
  readonly element: HTMLElement;
  private readonly select: HTMLSelectElement;
  private readonly about = h("p", { class: "about-method" });
  private readonly fields = h("div", { class: "fields" });
  private readonly answers = h("div", { class: "out", "aria-live": "polite" });
  private readonly plot = h("div", { class: "out" });
  private readonly answering: Runner;
  private readonly sweeping: Runner;
  private slid = "";     // the parameter of the picture
  private drawn = "";    // what the picture was drawn for
  private settings: Setting[] = [];
  private timer = 0;

  constructor(private readonly bench: Bench) {
    const controls = controls_of(bench);
    this.select = h("select", { id: "control" }, ...controls.map((method) => h("option", { value: method.id }, method.title))) as HTMLSelectElement;
    this.select.value = control_of(bench)?.id ?? "";
    this.select.addEventListener("change", () => this.choose());
    this.element = panel_element("steer",
      h("div", { class: "steering" }, h("div", { class: "levers" }, h("label", { for: "control", class: "big" }, "Control"), this.select, this.about, this.fields),
        h("div", {}, this.answers, this.plot)));
    this.answering = new Runner(bench, this.answers);
    this.sweeping = new Runner(bench, this.plot);
    this.lay_out();
  }

  private get method(): Method | undefined { return control_of(this.bench); }

  private choose(): void {
    this.bench.change({ control: this.select.value, params: {} });
    this.lay_out();
    void this.run();
  }

  private lay_out(): void {
    const method = this.method;
    if (!method) return this.fields.replaceChildren(note("This server offers no control."));
    const shown = method.params.filter((param) => param.settable), fixed = method.params.length - shown.length, sliders = shown.filter(slides);
    this.slid = sliders.find(({ name }) => name in (method.null_setting ?? {}))?.name ?? sliders[0]?.name ?? "";
    this.about.replaceChildren(`${method.sentence} `, paper(method.paper));
    this.fields.replaceChildren(...shown.map((param) => this.field(param)),
      ...(fixed ? [note(`${fixed} more ${fixed > 1 ? "name texts or files and are" : "names a text or a file and is"} left to the server's operator.`)] : []));
  }

  private field(param: Param): HTMLElement {
    return field({ param, value: this.bench.view.params[param.name] ?? param.default, change: (value) => this.set(param, value) });
  }

  private set(param: Param, value: Value): void {
    const params = { ...this.bench.view.params, [param.name]: value };
    if (value === param.default) delete params[param.name];
    this.bench.change({ control: this.select.value, params });
    if (slides(param)) this.slid = param.name;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.run(), PATIENCE);
  }

  async run(): Promise<void> {
    clearTimeout(this.timer);
    if (!this.bench.view.question.trim()) return this.answers.replaceChildren(note("Ask something first."));
    await Promise.all([this.answering.run((signal) => this.answer(signal)), this.picture()]);
    if (this.answers.querySelector(".complaint")) this.plot.replaceChildren(); // the same complaint once
  }

  private async answer(signal: AbortSignal): Promise<void> {
    const ask = (ken: Record<string, unknown>): Promise<Reply> =>
      post("v1/chat/completions", { ...asked(this.bench, ken), temperature: 0, logprobs: true, top_logprobs: 5 }, signal);
    const [before, after] = await Promise.all([ask({}), ask(steering(this.bench))]);
    const same = before.choices[0]!.message?.content === after.choices[0]!.message?.content;
    this.answers.replaceChildren(h("div", { class: "side-by-side" }, answer_part("Before", before.choices[0]!), answer_part(same ? "After: the same" : "After", after.choices[0]!)), legend());
  }

  // Moving the pictured slider moves a line in the picture; anything else asks anew.
  private async picture(): Promise<void> {
    const method = this.method, param = method?.params.find(({ name }) => name === this.slid);
    if (!method || !param) return this.plot.replaceChildren();
    const others = { ...this.bench.view.params, [param.name]: null }, wanted = JSON.stringify([asked(this.bench, {}), method.id, param.name, others]);
    if (wanted === this.drawn && this.settings.length) return this.draw(param, method);
    this.drawn = wanted, this.settings = [];
    const none = method.null_setting?.[param.name], nothing = typeof none === "number" ? none : null;
    this.plot.replaceChildren(note(`Asking at other settings of ${param.name} …`));
    await this.sweeping.run((signal) => sweep(this.bench, param.name, settings_of(range_of(param), nothing, this.current(param)), signal, (done) => {
      this.settings = done;
      if (!signal.aborted) this.draw(param, method);
    }));
  }

  private current = ({ name, default: standard }: Param): number => Number(this.bench.view.params[name] ?? standard);

  private draw(param: Param, method: Method): void {
    const none = method.null_setting?.[param.name], current = this.current(param);
    this.plot.replaceChildren(h("figure", {}, h("figcaption", {}, h("h3", {}, `What ${param.name} does`),
      h("p", { class: "how" }, "The probability of each answer's first token. A filled mark: this was the answer; the upright line: the setting now.")),
      sweep_picture(param.name, this.settings, current, typeof none === "number" ? none : null)));
  }
}
