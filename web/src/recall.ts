// "How much does it know?": recall by exposure and by relation.
import * as Plot from "@observablehq/plot";
import { bars_across, chart, figure, key, label_room, line_up, mark, plot, rate_axis, row_axis, series, steps } from "./charts";
import { examples, figures, note, numbers, section } from "./dom";
import { band, exposure_title, number, show } from "./format";
import type { AccuracyRow, Recall } from "./study";

function by_exposure(recall: Recall): HTMLElement {
  const rows = recall.by_exposure;
  const labels = rows.map((row) => band(row.label));
  const [right, type] = series(["right answer", "answer of the right kind"]);
  const right_marks = rows.map((row) => mark(band(row.label), "right", row.accuracy, "rate"));
  const type_marks = rows.map((row) => mark(band(row.label), "of the right kind", row.right_type, "rate"));
  const title = exposure_title(rows.map((row) => row.label));
  const draw = (width: number) => {
    const { axis, marginBottom, extra } = steps(labels, width - 68, title);
    return plot({ label: "Recall by exposure", width, height: 280 + extra }, {
      marginLeft: 48, marginBottom,
      x: { type: "point", domain: labels, padding: 0.4 },
      y: rate_axis(),
      marks: [axis, Plot.ruleY([0]), ...line_up(type_marks, type!, 4), ...line_up(right_marks, right!, -4)],
    });
  };
  return figure({
    title: "Recall by how common a fact is",
    how: "Each point is the share of questions answered right; the second line counts answers that are at least the right kind of thing, such as a town for a town. Vertical bars are intervals.",
    keys: key([right!, type!]),
  }, [chart(draw)], numbers(rows.flatMap((row) => [
    { label: row.label, what: "right", num: row.accuracy, style: "rate" as const },
    { label: row.label, what: "right kind", num: row.right_type, style: "rate" as const },
  ])));
}

function by_relation(recall: Recall): HTMLElement {
  const rows = [...recall.by_relation].sort((a, b) => (b.accuracy.value ?? -1) - (a.accuracy.value ?? -1));
  const labels = rows.map((row) => row.label);
  const marks = rows.map((row) => mark(row.label, "right", row.accuracy, "rate"));
  const overall = recall.overall.value;
  const draw = (width: number) => {
    const room = label_room(labels, width);
    return plot({ label: "Recall by relation", width, height: 70 + 28 * labels.length }, {
      marginLeft: room, marginTop: 24,
      x: rate_axis(width < 420 ? 3 : 5),
      y: { type: "point", domain: labels, padding: 0.6 },
      marks: [
        row_axis(labels, room), Plot.ruleX([0]),
        ...(overall === null ? [] : [
          Plot.ruleX([overall], { stroke: "var(--quiet)", strokeDasharray: "4 3" }),
          Plot.text([overall], { x: Plot.identity, frameAnchor: "top", dy: -14, text: () => `all: ${number(overall, "rate")}`, fill: "var(--soft)" }),
        ]),
        bars_across(marks, "var(--blue)"),
        Plot.dot(marks, { x: "value", y: "at", fill: "var(--blue)", r: 4.5, title: "tip", tip: true }),
      ],
    });
  };
  return figure({
    title: "Recall by kind of fact",
    how: "One row per kind of fact, best first: the dot is the share answered right, the line through it its interval. The dashed line is all questions together.",
  }, [chart(draw)], numbers(rows.map((row: AccuracyRow) => ({ label: row.label, what: "right", num: row.accuracy, style: "rate" }))));
}

function answer(recall: Recall): string {
  if (recall.overall.value === null) return "No question was asked, so nothing can be said about recall.";
  const known = recall.by_exposure.filter((row) => row.accuracy.value !== null);
  const first = known[0], last = known[known.length - 1];
  const overall = `It answered ${show(recall.overall, "rate")} of ${number(recall.overall.n, "count")} questions right.`;
  if (!first || !last || first === last) return overall;
  return `${overall} From the rarest facts to the most common, recall goes from ${show(first.accuracy, "rate")} to ${show(last.accuracy, "rate")}.`;
}

export function recall_section(recall: Recall): HTMLElement {
  const pictures = [
    recall.by_exposure.length ? by_exposure(recall) : note("This fact set does not say how common its facts are, so recall is not split by exposure."),
    recall.by_relation.length ? by_relation(recall) : note("This fact set names no relations, so recall is not split by kind of fact."),
  ];
  return section("recall", "How much does it know?", answer(recall), figures(...pictures), examples(recall.examples));
}
