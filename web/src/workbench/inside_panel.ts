// Inside: what each layer would answer at each token, and what probes read there.
import * as Plot from "@observablehq/plot";
import { chart, rate_axis } from "../charts";
import { h, note } from "../dom";
import { known } from "../format";
import { post, type LensReply } from "./api";
import { asked, panel_element, Runner, steering, type Bench, type Panel } from "./bench";
import { small } from "./bars";
import { readings_of, recent, type Reading } from "./lens";
import { heat, LayerMap, type Cell } from "./map";

const TOP = 5;

function heat_scale({ scale, color }: Reading): HTMLElement {
  const steps = [0, 0.25, 0.5, 0.75, 1];
  return h("div", { class: "legend" }, h("span", {}, scale), h("div", { class: "scale" }, ...steps.map((value) => h("span", { style: heat(value, color) }, small(value)))));
}

// One token's value from layer to layer; the upright line is the chosen layer.
function rise({ map, color, through }: Reading, { row, token }: Cell): HTMLElement[] {
  const { title, values } = through(token), points = values.map((value, at) => ({ at, value, tip: `${map.rows[at]!.title}: ${small(value)}` })).filter(({ value }) => known(value));
  if (points.length < 2) return [];
  const stroke = color === "var(--heat)" ? "var(--blue)" : color, label = (at: number): string => map.rows[at]?.label.replace("embedding", "0") ?? "";
  return [h("div", {}, h("h3", {}, title), chart((width) => Plot.plot({
    width, height: 190, marginLeft: 46, marginRight: 14, marginTop: 14, marginBottom: 36, style: { fontSize: "12px", background: "transparent" }, ariaLabel: title,
    x: { label: "layer", labelAnchor: "center", labelArrow: "none", tickFormat: label, ticks: Math.min(values.length, 9), tickSize: 3 }, y: rate_axis(4),
    marks: [
      Plot.ruleX([row], { stroke: "var(--ink)", strokeWidth: 1.5 }),
      Plot.lineY(points, { x: "at", y: "value", stroke, strokeWidth: 2 }),
      Plot.dot(points, { x: "at", y: "value", fill: stroke, r: 3.5, title: "tip", tip: true }),
    ],
  })))];
}

export class InsidePanel implements Panel {
  readonly id = "inside";
  readonly name = "Inside";
  readonly action = "Look inside";
  readonly element: HTMLElement;
  private readonly out = h("div", { class: "out" });
  private readonly steered: HTMLInputElement;
  private readonly runner: Runner;
  private shown = ""; // the reading that was chosen last

  constructor(private readonly bench: Bench) {
    this.steered = h("input", { type: "checkbox", id: "map-steered" }) as HTMLInputElement;
    this.steered.addEventListener("change", () => void this.run());
    this.element = panel_element("inside",
      h("p", { class: "answer" }, "What each layer would say next, token by token: the model's own read-out applied to every layer (the logit lens). The last layer is on top; the answer begins at the marked column."),
      h("p", { class: "option" }, this.steered, h("label", { for: "map-steered" }, "with the control of the Steer panel")), this.out);
    this.runner = new Runner(bench, this.out);
  }

  run(): Promise<void> {
    if (!this.bench.view.question.trim()) {
      this.out.replaceChildren(note("Ask something first."));
      return Promise.resolve();
    }
    return this.runner.run(async (signal) => {
      const body = { ...asked(this.bench, this.steered.checked ? steering(this.bench) : {}), params: { top: TOP } };
      this.draw(await post<LensReply>("ken/lens", body, signal));
    });
  }

  private draw(whole: LensReply): void {
    const reply = recent(whole), readings = readings_of(reply), hidden = whole.tokens.length - reply.tokens.length, drawn = h("div", {});
    const show = (reading: Reading): void => {
      const about = h("div", { class: "cell", "aria-live": "polite" });
      const map = new LayerMap(reading.map, (cell) => about.replaceChildren(reading.about(cell), ...rise(reading, cell)));
      drawn.replaceChildren(heat_scale(reading), map.element, h("p", { class: "hint" }, `Click a cell, or move with the arrow keys.${hidden ? ` The first ${hidden} tokens are left out.` : ""}`), about);
      map.start();
    };
    const first = readings.find(({ name }) => name === this.shown) ?? readings[0]!;
    this.out.replaceChildren(...(readings.length > 1 ? [this.choice(readings, first, show)] : []), drawn);
    show(first);
  }

  private choice(readings: Reading[], first: Reading, show: (reading: Reading) => void): HTMLElement {
    const select = h("select", { id: "reading" }, ...readings.map(({ name }) => h("option", { value: name }, name))) as HTMLSelectElement;
    select.value = first.name;
    select.addEventListener("change", () => {
      this.shown = select.value;
      show(readings.find(({ name }) => name === select.value)!);
    });
    return h("p", { class: "reading" }, h("label", { for: "reading" }, "Show"), select);
  }
}
