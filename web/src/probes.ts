// "Where inside can it be read?": one layer x position map per probe.
import * as Plot from "@observablehq/plot";
import { chart, figure, plot, widest } from "./charts";
import { figures, h, numbers, section } from "./dom";
import { number, sentence, show } from "./format";
import type { Probe } from "./study";

interface Cell { layer: string; position: string; value: number; best: boolean; tip: string }

function cells(probe: Probe): Cell[] {
  return probe.layers.flatMap((layer, row) => probe.positions.flatMap((position, column) => {
    const num = probe.auroc[row]?.[column];
    if (!num || num.value === null) return [];
    const best = layer === probe.best.layer && position === probe.best.position;
    return [{ layer, position, value: num.value, best, tip: `layer ${layer}, ${position}\nAUROC ${sentence(num, "ratio")}` }];
  }));
}

// Guessing is the paper's colour; better than guessing turns blue, worse turns orange. Mixed by the browser, so that it follows the theme.
const strength = (auroc: number): number => Math.min(1, Math.abs(auroc - 0.5) * 2);
function shade(auroc: number): string {
  return `color-mix(in oklab, var(${auroc < 0.5 ? "--vermilion" : "--heat"}) ${Math.round(strength(auroc) * 100)}%, var(--heat-paper))`;
}

// The colours are tuned so that both inks read equally well at this strength, in both themes.
const ink_on = (auroc: number): string => (strength(auroc) > 0.61 ? "var(--on-heat)" : "var(--under-heat)");

function scale_key(): HTMLElement {
  const steps = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  return h("div", { class: "scale", role: "img", "aria-label": "Colour scale: 0.5 is guessing, 1 is perfect" }, ...steps.map((value) =>
    h("span", { style: `background:${shade(value)};color:${ink_on(value)}` }, value === 0.4 ? "<.5" : short(value))));
}

const short = (value: number): string => number(value, "ratio").replace(/^0/, "");

function heat_map(probe: Probe): (width: number) => Element {
  const data = cells(probe), best = data.filter((d) => d.best);
  return (width) => {
    const left = Math.ceil(widest(probe.layers)) + 12, column = (width - left - 6) / probe.positions.length;
    const tall = probe.layers.length > 20 ? 20 : 26, longest = widest(probe.positions);
    const upright = widest(probe.positions.flatMap((position) => position.split(" "))) > column - 4;
    const lines = Math.ceil(longest * 1.25 / (column - 8)), top = upright ? 16 + longest : 14 + Math.min(lines, 4) * 14;
    return plot({ label: `${probe.title}: AUROC by layer and token position`, width, height: top + 24 + tall * probe.layers.length }, {
      marginLeft: left, marginTop: top, marginRight: 6, marginBottom: 24, padding: 0, color: { type: "identity" },
      x: { type: "band", domain: probe.positions }, y: { type: "band", domain: [...probe.layers].reverse() },
      marks: [
        Plot.axisY({ tickSize: 0, label: null }),
        Plot.axisX({ anchor: "top", tickSize: 0, label: null, ...(upright ? { tickRotate: -90, textAnchor: "start" } : { lineWidth: (column - 8) / 13, lineHeight: 1.1 }) }),
        Plot.cell(data, { x: "position", y: "layer", inset: 0.75, fill: (d: Cell) => shade(d.value), title: "tip", tip: true }),
        ...[data.filter((d) => !d.best), best].map((some, bold) => Plot.text(some, {
          x: "position", y: "layer", text: (d: Cell) => short(d.value), fontSize: column < 26 ? 9 : 12, fontWeight: bold ? 700 : 400,
          fontVariant: "tabular-nums", fill: (d: Cell) => ink_on(d.value),
        })),
        Plot.cell(best, { x: "position", y: "layer", stroke: "var(--ink)", strokeWidth: 3, inset: 0 }),
        Plot.text(probe.positions.slice(0, 1), { frameAnchor: "bottom-left", dy: 18, textAnchor: "start", dx: -left, fill: "var(--soft)", text: () => "↑ deeper layers above · framed: best cell" }),
      ],
    });
  };
}

function probe_figure(probe: Probe): HTMLElement {
  const { best, baseline } = probe;
  const compare = baseline ? ` The output's own probability or entropy gives ${show(baseline, "ratio")}.` : "";
  return figure({ title: probe.title, how: `${probe.reads} Best: layer ${best.layer}, ${best.position}, AUROC ${show(best.auroc, "ratio")}.${compare}` },
    [scale_key(), chart(heat_map(probe))],
    numbers([
      ...(baseline ? [{ label: "output alone", what: "AUROC", num: baseline, style: "ratio" as const }] : []),
      ...probe.layers.flatMap((layer, row) => probe.positions.map((position, column) => (
        { label: `layer ${layer}`, what: position, num: probe.auroc[row]?.[column] ?? null, style: "ratio" as const }))),
    ]));
}

export function probes_section(probes: Probe[]): HTMLElement {
  const question = "Where inside can it be read?";
  if (probes.length === 0) return section("probes", question, "No probe was fitted, so there is no map of the layers.");
  const answer = "A probe is a straight cut through the activations at one layer and one token. Each cell says how well it tells the two cases apart: 0.5 is guessing, 1 is perfect.";
  return section("probes", question, answer, figures(...probes.map(probe_figure)));
}
