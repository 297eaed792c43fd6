// "Where inside can it be read?": one layer x position map per probe.
import * as Plot from "@observablehq/plot";
import { chart, cut, plot, widest } from "../charts";
import { figure, h, note, numbers, type Section } from "../dom";
import { capital, known, number, sentence, show } from "../format";
import type { Probe } from "../study";

interface Cell { layer: string; position: string; value: number; best: boolean; tip: string }

function cells(probe: Probe): Cell[] {
  return probe.layers.flatMap((layer, row) => probe.positions.flatMap((position, column) => {
    const num = probe.auroc[row]?.[column];
    if (!num || !known(num.value)) return [];
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

const layer_label = (layer: string): string => cut(layer, 14), position_label = (position: string): string => cut(position, 28);

function heat_map(probe: Probe): (width: number) => Element {
  const data = cells(probe), best = data.filter((d) => d.best);
  return (width) => {
    const left = Math.ceil(widest(probe.layers.map(layer_label))) + 12, column = (width - left - 6) / probe.positions.length;
    const tall = probe.layers.length > 20 ? 20 : 26, longest = widest(probe.positions.map(position_label));
    const upright = widest(probe.positions.flatMap((position) => position_label(position).split(" "))) > column - 4;
    const lines = Math.ceil(longest * 1.25 / (column - 8)), top = upright ? 16 + longest : 14 + Math.min(lines, 4) * 14;
    return plot({ label: `${probe.title}: AUROC by layer and token position`, width, height: top + 24 + tall * probe.layers.length }, {
      marginLeft: left, marginTop: top, marginRight: 6, marginBottom: 24, padding: 0, color: { type: "identity" },
      x: { type: "band", domain: probe.positions }, y: { type: "band", domain: [...probe.layers].reverse() },
      marks: [
        Plot.axisY({ tickSize: 0, label: null, tickFormat: layer_label }),
        Plot.axisX({ anchor: "top", tickSize: 0, label: null, tickFormat: position_label, ...(upright ? { tickRotate: -90, textAnchor: "start" } : { lineWidth: (column - 8) / 13, lineHeight: 1.1 }) }),
        Plot.cell(data, { x: "position", y: "layer", inset: 0.75, fill: (d: Cell) => shade(d.value), title: "tip", tip: true }),
        ...[data.filter((d) => !d.best), best].map((some, bold) => Plot.text(some, {
          x: "position", y: "layer", text: (d: Cell) => (column < 28 ? "" : short(d.value)), fontSize: 12, fontWeight: bold ? 700 : 400,
          fontVariant: "tabular-nums", fill: (d: Cell) => ink_on(d.value),
        })),
        Plot.cell(best, { x: "position", y: "layer", stroke: "var(--ink)", strokeWidth: 3, inset: 0 }),
        Plot.text(probe.positions.slice(0, 1), { frameAnchor: "bottom-left", dy: 18, textAnchor: "start", dx: -left, fill: "var(--soft)", text: () => "deeper layers above; framed: the best cell" }),
      ],
    });
  };
}

function probe_figure(probe: Probe): HTMLElement {
  return figure({
    title: capital(probe.title),
    how: probe.reads,
  }, [scale_key(), chart(heat_map(probe))], numbers([
    ...(probe.baseline ? [{ label: "output alone", what: "AUROC", num: probe.baseline, style: "ratio" as const }] : []),
    ...probe.layers.flatMap((layer, row) => probe.positions.map((position, column) => (
      { label: `layer ${layer}`, what: position, num: probe.auroc[row]?.[column] ?? null, style: "ratio" as const }))),
  ]));
}

export function probes_section(probes: Probe[]): Section {
  const section = { id: "inside", name: "Inside", question: "Where inside can it be read?" };
  const drawn = probes.filter((probe) => cells(probe).length > 0);
  if (drawn.length === 0) return { ...section, answer: "No probe was fitted, so there is no map of the layers.", body: null };
  const best = drawn.map((probe) => `${capital(probe.title.replace(/[?.!]$/, ""))}: best at layer ${probe.best.layer}, ${probe.best.position}, with an AUROC of ${show(probe.best.auroc, "ratio")}${
    probe.baseline ? ` (the output alone: ${show(probe.baseline, "ratio")})` : ""}.`);
  return { ...section, answer: best.join(" "), body: [note("Each cell tells how well a straight cut through the activations at one layer and one token tells the two cases apart (AUROC): 0.5 is guessing, 1 is perfect."), h("div", { class: "pair" }, ...drawn.map(probe_figure))] };
}
