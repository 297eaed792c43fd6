// "How sure is it, and is it right to be?": calibration, how well each score ranks right over wrong, and when to abstain.
import * as Plot from "@observablehq/plot";
import { bars_across, bars_up, chart, figure, key, label_room, mark, panels, percent_tick, plot, rate_axis, row_axis, series, SERIES, steps } from "./charts";
import { examples, figures, h, note, numbers, section } from "./dom";
import { advice_sentence, band, capital, exposure_title, number, sentence, show } from "./format";
import type { Certainty, Num, Recall, Score } from "./study";

function confidence_by_exposure(recall: Recall): HTMLElement {
  const rows = recall.by_exposure;
  const labels = rows.map((row) => band(row.label));
  const right = { name: "share right", ...SERIES[0]! }, sure = { name: "mean confidence", ...SERIES[1]! };
  const right_marks = rows.map((row) => mark(band(row.label), "right", row.accuracy, "rate"));
  const sure_marks = rows.map((row) => mark(band(row.label), "confidence", row.confidence, "rate"));
  const gaps = rows.flatMap((row) => row.accuracy.value === null || row.confidence.value === null ? []
    : [{ at: band(row.label), from: row.accuracy.value, to: row.confidence.value }]);
  const title = exposure_title(rows.map((row) => row.label));
  const draw = (width: number) => {
    const { axis, marginBottom, extra } = steps(labels, width - 68, title);
    return plot({ label: "Confidence and accuracy by exposure", width, height: 280 + extra }, {
      marginLeft: 48, marginBottom,
      x: { type: "point", domain: labels, padding: 0.4 },
      y: rate_axis(),
      marks: [
        axis, Plot.ruleY([0]),
        Plot.ruleX(gaps, { x: "at", y1: "from", y2: "to", stroke: "var(--gap)", strokeWidth: 9 }),
        bars_up(right_marks, right.color), bars_up(sure_marks, sure.color),
        Plot.dot(right_marks, { x: "at", y: "value", fill: right.color, symbol: right.symbol, r: 4.5, title: "tip", tip: true }),
        Plot.dot(sure_marks, { x: "at", y: "value", fill: sure.color, symbol: sure.symbol, r: 4.5, title: "tip", tip: true }),
      ],
    });
  };
  return figure({
    title: "Confidence against recall, by how common a fact is",
    how: "Where the square stands above the circle the model is surer than it should be; the grey band is the gap.",
    keys: key([{ ...right, dash: "0 99" }, { ...sure, dash: "0 99" }]),
  }, [chart(draw)], numbers(rows.flatMap((row) => [
    { label: row.label, what: "right", num: row.accuracy, style: "rate" as const },
    { label: row.label, what: "confidence", num: row.confidence, style: "rate" as const },
  ])));
}

function ranking(scores: Score[]): HTMLElement {
  const rows = [...scores].sort((a, b) => (b.auroc.value ?? 0) - (a.auroc.value ?? 0));
  const labels = rows.map((row) => row.title);
  const marks = rows.map((row) => mark(row.title, "AUROC", row.auroc, "ratio"));
  const low = Math.min(0.5, ...rows.flatMap((row) => [row.auroc.value ?? 1, row.auroc.ci[0] ?? 1]));
  const draw = (width: number) => {
    const room = label_room(labels, width);
    return plot({ label: "AUROC of each score", width, height: 74 + 30 * labels.length }, {
      marginLeft: room, marginTop: 24,
      x: { domain: [Math.floor(low * 10) / 10, 1], ticks: width < 420 ? 3 : 6, tickFormat: (v: number) => number(v, "ratio"), grid: true, label: null },
      y: { type: "point", domain: labels, padding: 0.6 },
      marks: [
        row_axis(labels, room),
        Plot.ruleX([0.5], { stroke: "var(--ink)" }),
        Plot.text([0.5], { x: Plot.identity, frameAnchor: "top", dy: -14, text: () => "guessing", fill: "var(--soft)", textAnchor: low < 0.5 ? "middle" : "start" }),
        bars_across(marks, "var(--blue)"),
        Plot.dot(marks, { x: "value", y: "at", fill: "var(--blue)", r: 4.5, title: "tip", tip: true }),
      ],
    });
  };
  return figure({
    title: "Which score tells right from wrong?",
    how: "AUROC is the chance that a right answer gets a surer score than a wrong one: 0.5 is guessing, 1 is perfect.",
  }, [chart(draw)], numbers(rows.flatMap((row) => [
    { label: row.title, what: "AUROC", num: row.auroc, style: "ratio" as const },
    { label: row.title, what: "area under risk-coverage", num: row.aurc, style: "plain" as const },
    { label: row.title, what: "calibration error", num: row.ece, style: "plain" as const },
    { label: row.title, what: "Brier score", num: row.brier, style: "plain" as const },
  ])));
}

function risk_coverage(certainty: Certainty): HTMLElement {
  const scores = certainty.scores.filter((score) => score.risk_coverage.length > 0);
  const lines = series(scores.map((score) => score.title));
  const curves = scores.map((score) => score.risk_coverage.flatMap((point) => {
    const coverage = point.coverage.value, risk = point.risk.value;
    if (coverage === null || risk === null) return [];
    const tip = `${score.title}\nthreshold ${show(point.threshold, "ratio")}\nanswers ${number(coverage, "rate")}\nerror ${sentence(point.risk, "rate")}`;
    return [{ coverage, risk, lo: point.risk.ci[0], hi: point.risk.ci[1], tip }];
  }).sort((a, b) => a.coverage - b.coverage));
  const advice = certainty.advice, chosen = scores.find((score) => score.id === advice?.score);
  const at = advice ? [{ x: advice.coverage.value ?? 0, y: advice.error.value ?? 0 }] : [];
  const highest = Math.max(0.05, ...curves.flat().map((d) => d.risk));
  const draw = (width: number) => plot({ label: "Error against coverage", width, height: width < 520 ? 300 : 360 }, {
    marginLeft: 48, marginTop: 20,
    x: { ...rate_axis(), grid: false, label: "share of questions it answers", labelAnchor: "center", labelArrow: "none" },
    y: { domain: [0, Math.ceil(highest * 10) / 10], tickFormat: percent_tick, ticks: 5, tickSize: 0, grid: true, label: "share of its answers that are wrong", labelArrow: "none" },
    marks: [
      Plot.ruleY([0]),
      ...curves.map((curve, i) => chosen === scores[i]
        ? Plot.areaY(curve.filter((d) => d.lo !== null && d.hi !== null), { x: "coverage", y1: "lo", y2: "hi", fill: lines[i]!.color, fillOpacity: 0.14 }) : null),
      ...curves.map((curve, i) => Plot.lineY(curve, { x: "coverage", y: "risk", stroke: lines[i]!.color, strokeWidth: chosen === scores[i] ? 2.8 : 1.8, strokeDasharray: lines[i]!.dash ?? "none" })),
      ...curves.map((curve, i) => Plot.dot(curve.filter((_, k) => k % Math.ceil(curve.length / 6) === 0), { x: "coverage", y: "risk", fill: lines[i]!.color, symbol: lines[i]!.symbol, r: 4 })),
      Plot.tip(curves.flat(), Plot.pointer({ x: "coverage", y: "risk", title: "tip" })),
      Plot.ruleX(at, { x: "x", y1: 0, y2: "y", stroke: "var(--ink)", strokeDasharray: "2 3" }),
      Plot.dot(at, { x: "x", y: "y", r: 6, fill: "var(--paper)", stroke: "var(--ink)", strokeWidth: 2.5 }),
      Plot.text(at, { x: "x", y: "y", dy: -16, dx: -6, textAnchor: "end", fontWeight: 600, fontSize: 13, fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 5,
        text: () => `error ${show(advice?.error, "rate")},\ncoverage ${show(advice?.coverage, "rate")}`, lineAnchor: "bottom" }),
    ],
  });
  return figure({
    title: "What abstaining buys", wide: true,
    how: "Going left, the model keeps silent on the questions it is least sure of; a curve that falls faster belongs to a better score." + (chosen ? " The ring is the advised threshold, the shade its interval." : ""),
    keys: key(lines),
  }, [chart(draw)], numbers(scores.flatMap((score) => score.risk_coverage.map((point) => ({
    label: score.title, what: `error when answering ${show(point.coverage, "rate")}`, num: point.risk, style: "rate" as const,
  })))));
}

function reliability_panel(score: Score): (width: number) => Element {
  const bins = score.reliability.flatMap((bin) => {
    const confidence = bin.confidence.value;
    return confidence === null ? [] : [{ ...mark(band(bin.label), "right", bin.accuracy, "rate"), confidence }];
  });
  return (width) => plot({ label: `Reliability of ${score.title}`, width, height: Math.min(width, 300) }, {
    marginLeft: 48,
    x: { ...rate_axis(3), grid: false, label: "confidence", labelAnchor: "center", labelArrow: "none" },
    y: rate_axis(3),
    r: { domain: [0, Math.max(1, ...bins.map((d) => d.n))], range: [0, 8] },
    marks: [
      Plot.line([[0, 0], [1, 1]], { stroke: "var(--quiet)", strokeDasharray: "4 3" }),
      Plot.ruleX(bins, { x: "confidence", y1: "confidence", y2: "value", stroke: "var(--gap)", strokeWidth: 5 }),
      Plot.ruleX(bins.filter((d) => d.lo !== null && d.hi !== null), { x: "confidence", y1: "lo", y2: "hi", stroke: "var(--blue)", strokeWidth: 1.5 }),
      Plot.dot(bins, { x: "confidence", y: "value", r: "n", fill: "var(--blue)", stroke: "var(--paper)", title: "tip", tip: true }),
      score.ece ? Plot.text([score.ece], { frameAnchor: "top-left", dx: 8, dy: 8, fill: "var(--soft)", text: (num: Num) => `calibration error ${show(num, "ratio")}` }) : null,
    ],
  });
}

function reliability(scores: Score[]): HTMLElement {
  const drawn = scores.filter((score) => score.reliability.length > 0);
  return figure({
    title: "Does 80 % sure mean right 80 % of the time?", wide: true,
    how: "Each dot is a group of answers given with about the same confidence, its height the share right, its size the number of answers. On the dashed line confidence is honest; below it, boastful.",
  }, [panels(...drawn.map((score): [string, HTMLElement] =>
    [capital(score.title), chart(reliability_panel(score))]))],
  numbers(drawn.flatMap((score) => score.reliability.map((bin) => ({
    label: score.title, what: `right at confidence ${band(bin.label)}`, num: bin.accuracy, style: "rate" as const,
  })))));
}

function answer(certainty: Certainty): string {
  const best = [...certainty.scores].sort((a, b) => (b.auroc.value ?? 0) - (a.auroc.value ?? 0))[0];
  return best ? `The score that best tells right from wrong is ${best.title}: AUROC ${show(best.auroc, "ratio")}.` : "No score of certainty was computed.";
}

export function certainty_section(certainty: Certainty, recall: Recall): HTMLElement {
  const { scores, advice } = certainty;
  const chosen = scores.find((score) => score.id === advice?.score);
  const callout = advice
    ? h("p", { class: "callout" }, h("strong", {}, `${advice_sentence(advice, chosen)}.`), ` By ${chosen?.title ?? advice.score}.`)
    : note("No threshold is advised: none gave a low enough error on enough questions.");
  const pictures = [
    recall.by_exposure.length ? confidence_by_exposure(recall) : null,
    scores.length ? ranking(scores) : null,
    scores.some((score) => score.risk_coverage.length) ? risk_coverage(certainty) : null,
    scores.some((score) => score.reliability.length) ? reliability(scores) : scores.length ? note("No score here is a probability, so there is no reliability diagram.") : null,
  ];
  return section("certainty", "How sure is it, and is it right to be?", answer(certainty), scores.length ? callout : null, figures(...pictures), examples(certainty.examples));
}
