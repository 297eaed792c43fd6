// "How sure can you be?": is 80 % sure right 80 % of the time, before and after calibration; and where it boasts.
import * as Plot from "@observablehq/plot";
import { chart, has_interval, key, mark, plot, rate_axis, series, type Series } from "../charts";
import { figure, h, numbers, type Section, type TableRow } from "../dom";
import { examples } from "../examples";
import { band, capital, exposure, known, number, show } from "../format";
import { rows_picture } from "../rows";
import type { Certainty, Recall, ReliabilityBin, Score } from "../study";

interface Curve { line: Series; bins: ReliabilityBin[] }

const points = (bins: ReliabilityBin[], name: string) => bins.flatMap((bin) => known(bin.confidence.value) && known(bin.accuracy.value)
  ? [{ ...mark(`confidence ${band(bin.label)}, ${name}`, "right", bin.accuracy, "rate"), confidence: bin.confidence.value }] : [])
  .sort((a, b) => a.confidence - b.confidence);

function reliability_plot(curves: Curve[]): (width: number) => Element {
  const drawn = curves.map(({ line, bins }) => ({ line, data: points(bins, line.name) }));
  return (width) => plot({ label: "Share right by confidence; the numbers are in the table", width, height: Math.min(width, 420) }, {
    marginLeft: 48, marginTop: 28,
    x: { ...rate_axis(width < 420 ? 3 : 5), grid: false, label: "how sure it is", labelAnchor: "center", labelArrow: "none" },
    y: { ...rate_axis(), label: "share right", labelArrow: "none" },
    marks: [
      Plot.line([[0, 0], [1, 1]], { stroke: "var(--soft)", strokeDasharray: "4 3" }),
      Plot.text([[0.02, 0.96]], { text: () => "less sure than it could be", textAnchor: "start", fill: "var(--soft)" }),
      Plot.text([[0.98, 0.04]], { text: () => "surer than it should be", textAnchor: "end", fill: "var(--soft)" }),
      ...drawn.flatMap(({ line, data }) => [
        Plot.lineY(data, { x: "confidence", y: "value", stroke: line.color, strokeWidth: 2, strokeDasharray: line.dash ?? "none" }),
        Plot.ruleX(data.filter(has_interval), { x: "confidence", y1: "lo", y2: "hi", stroke: line.color, strokeWidth: 1.5 }),
        Plot.dot(data, { x: "confidence", y: "value", fill: line.color, symbol: line.symbol, r: 5 }),
      ]),
      Plot.tip(drawn.flatMap(({ data }) => data), Plot.pointer({ x: "confidence", y: "value", title: "tip" })),
    ],
  });
}

function reliability_figure(score: Score, certainty: Certainty): HTMLElement {
  const after = certainty.temperature, lines = series(["as the model gives it", `after calibration, T = ${show(after?.temperature, "ratio")}`]);
  const curves = [{ line: lines[0]!, bins: score.reliability }, ...(after?.reliability.length ? [{ line: lines[1]!, bins: after.reliability }] : [])];
  const rows: TableRow[] = curves.flatMap(({ line, bins }) => bins.map((bin): TableRow => ({
    label: `confidence ${band(bin.label)}`, what: `right, ${line.name}`, num: bin.accuracy, style: "rate" })));
  if (score.ece) rows.push({ label: score.title, what: "calibration error", num: score.ece, style: "rate" });
  if (score.brier) rows.push({ label: score.title, what: "Brier score", num: score.brier, style: "plain" });
  if (after) rows.push(
    { label: "temperature", what: "fitted", num: after.temperature, style: "ratio" },
    { label: "calibration error", what: "before", num: after.ece_before, style: "rate" }, { label: "calibration error", what: "after", num: after.ece_after, style: "rate" },
    { label: "Brier score", what: "before", num: after.brier_before, style: "plain" }, { label: "Brier score", what: "after", num: after.brier_after, style: "plain" });
  return figure({
    title: "Does 80\u202f% sure mean right 80\u202f% of the time?",
    how: "Each mark is a group of answers given with about the same confidence; below the dashed line the model is surer than it should be.",
  }, [curves.length > 1 ? key(lines) : null, h("div", { class: "narrow" }, chart(reliability_plot(curves)))], numbers(rows));
}

function exposure_figure(recall: Recall): HTMLElement {
  const rows = recall.by_exposure.map((row) => ({
    label: capital(exposure(row.label)), examples: row.examples,
    parts: [{ name: "right", num: row.accuracy, color: "var(--blue)" }, { name: "mean confidence", num: row.confidence, color: "var(--vermilion)", square: true }],
  }));
  return figure({ title: "Confidence beside knowledge", how: "The band between the two marks is false confidence where the square stands to the right of the circle." },
    [rows_picture(rows, { label: "Confidence and share right by how common a fact is", kind: "dots" })],
    numbers(rows.flatMap((row) => row.parts.map((part): TableRow => ({ label: row.label, what: part.name, num: part.num, style: "rate" })))));
}

function answer(score: Score | undefined, certainty: Certainty, recall: Recall): string {
  const after = certainty.temperature, parts: string[] = [];
  const ece = after?.ece_before ?? score?.ece;
  if (known(ece?.value)) parts.push(`Its confidence is off by ${number(ece.value, "rate")} on average.`);
  if (known(after?.ece_after.value)) parts.push(`Dividing by a temperature of ${show(after.temperature, "ratio")} brings that to ${show(after.ece_after, "rate")}.`);
  const rare = recall.by_exposure.find((row) => known(row.accuracy.value) && known(row.confidence.value));
  if (rare && rare.confidence.value! - rare.accuracy.value! > 0.1)
    parts.push(`Of facts ${exposure(rare.label)} it is ${show(rare.confidence, "rate")} sure and ${show(rare.accuracy, "rate")} right.`);
  const sure = recall.by_exposure.some((row) => (row.confidence.value ?? 0) > 0.05);
  return parts.join(" ") || (sure ? "How sure it is on average, beside how often it is right." : "It is sure of none of its answers.");
}

export function sure_section(certainty: Certainty, recall: Recall): Section {
  const section = { id: "sure", name: "How sure", question: "How sure can you be?" };
  const score = certainty.scores.find((each) => points(each.reliability, "").length > 0);
  const bands = recall.by_exposure.some((row) => known(row.confidence.value));
  if (!score && !bands) return { ...section, answer: "No confidence was measured.", body: null };
  return { ...section, answer: answer(score, certainty, recall), body: [
    score ? reliability_figure(score, certainty) : null, bands ? exposure_figure(recall) : null,
    examples("Wrong answers it was sure of", certainty.examples.filter((item) => item.verdict === "wrong")),
  ] };
}
