// Inside: what each layer would answer at each token (logit lens), and what probes read there.
import * as Plot from "@observablehq/plot";
import { chart, rate_axis } from "../charts";
import { h, note } from "../dom";
import { known } from "../format";
import { post, type LensReply } from "./api";
import { asked, panel_element, Runner, steering, type Bench, type Panel } from "./bench";
import { bars, small } from "./bars";
import { heat, layer_name, LayerMap, type Cell } from "./map";
import { visible } from "./tokens";

const TOP = 5;
const MOST_TOKENS = 160; // columns that a browser lays out at once

// Of a long prompt its end, where the answer is.
function recent(reply: LensReply): LensReply {
  const from = Math.max(0, reply.tokens.length - MOST_TOKENS);
  return {
    tokens: reply.tokens.slice(from), answer_from: reply.answer_from - from,
    layers: reply.layers.map((row) => ({ ...row, top: row.top.slice(from), next: row.next.slice(from) })),
    probes: reply.probes?.map((probe) => ({ ...probe, scores: probe.scores.slice(from) })),
  };
}

function heat_scale(): HTMLElement {
  const steps = [0, 0.25, 0.5, 0.75, 1];
  return h("div", { class: "legend" }, h("span", {}, "Probability of the token that comes next"),
    h("div", { class: "scale" }, ...steps.map((value) => h("span", { style: heat(value) }, small(value)))));
}

// How the token that comes next gains ground from layer to layer.
function rise(reply: LensReply, { layer, token }: Cell): HTMLElement | null {
  const points = reply.layers.map((row, i) => ({ layer: row.layer, value: row.next[token] ?? null, tip: `${layer_name(reply, i)}: ${small(row.next[token] ?? null)}` })).filter((point) => known(point.value));
  if (points.length < 2) return null;
  return chart((width) => Plot.plot({
    width, height: 190, marginLeft: 46, marginRight: 14, marginTop: 14, marginBottom: 36, style: { fontSize: "12px", background: "transparent" },
    ariaLabel: "Probability of the token that comes next by layer",
    x: { label: "layer", labelAnchor: "center", labelArrow: "none", tickFormat: "d", ticks: Math.min(points.length, 9), tickSize: 3 }, y: rate_axis(4),
    marks: [
      Plot.ruleX([reply.layers[layer]!.layer], { stroke: "var(--ink)", strokeWidth: 1.5 }),
      Plot.lineY(points, { x: "layer", y: "value", stroke: "var(--blue)", strokeWidth: 2 }),
      Plot.dot(points, { x: "layer", y: "value", fill: "var(--blue)", r: 3.5, title: "tip", tip: true }),
    ],
  }));
}

function cell_part(reply: LensReply, cell: Cell): HTMLElement[] {
  const row = reply.layers[cell.layer]!, top = row.top[cell.token] ?? [], next = row.next[cell.token] ?? null, after = reply.tokens[cell.token + 1];
  const items = top.map(({ text, probability }) => ({ label: visible(text), value: probability, strong: text === after?.text }));
  const rising = rise(reply, cell);
  return [
    h("div", {}, h("h3", {}, `${layer_name(reply, cell.layer)}, at “${visible(reply.tokens[cell.token]!.text)}”`), h("p", { class: "how" },
      known(next) && after ? `Next comes “${visible(after.text)}”, to which this layer gives ${small(next)}.` : "What this layer would say next."), bars(items, "likeliest tokens")),
    ...(rising ? [h("div", {}, h("h3", {}, after ? `“${visible(after.text)}” through the layers` : "The token that comes next through the layers"), rising)] : []),
  ];
}

export class InsidePanel implements Panel {
  readonly id = "inside";
  readonly name = "Inside";
  readonly action = "Look inside";
  readonly element: HTMLElement;
  private readonly out = h("div", { class: "out" });
  private readonly steered: HTMLInputElement;
  private readonly runner: Runner;

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
    const reply = recent(whole), hidden = whole.tokens.length - reply.tokens.length;
    const about = h("div", { class: "cell", "aria-live": "polite" });
    const map = new LayerMap(reply, (cell) => about.replaceChildren(...cell_part(reply, cell)));
    this.out.replaceChildren(heat_scale(), map.element, h("p", { class: "hint" }, `Click a cell, or move with the arrow keys.${hidden ? ` The first ${hidden} tokens are left out.` : ""}`), ...this.probes(reply), about);
    map.start();
  }

  private probes(reply: LensReply): HTMLElement[] {
    if (!reply.probes?.length) return [];
    const targets = [...new Set(reply.probes.map(({ name, target, point }) => `${name}: ${target}, read at ${point}`))];
    return [h("ul", { class: "note" }, ...targets.map((text) => h("li", {}, `Probe ${text}`)))];
  }
}
