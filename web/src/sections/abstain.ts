// "When should it abstain?": which score tells right from wrong, what silence buys, and the threshold with its promise.
import * as Plot from "@observablehq/plot";
import { chart, key, percent_tick, plot, rate_axis, series } from "../charts";
import { figure, h, note, numbers, type Section, type TableRow } from "../dom";
import { capital, known, number, sentence, show } from "../format";
import { rows_picture } from "../rows";
import type { Advice, Calibrated, Certainty, Score } from "../study";

export const has_threshold = (advice: Advice | null): advice is Advice => advice !== null && known(advice.threshold.value);

// "at 0.92 or more", for a score that falls with certainty "at 0.92 or less".
export const threshold_words = (advice: Advice, score: Score | undefined): string =>
  `${show(advice.threshold, "ratio")} or ${score?.surer === "lower" ? "less" : "more"}`;

const lower_first = (text: string): string => (/^\p{Lu}\p{Ll}+(?![\p{L}])/u.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text);
export const score_name = (advice: Advice, score: Score | undefined): string => lower_first(score?.title ?? advice.score);

export const by_auroc = (scores: Score[]): Score[] =>
  scores.filter((score) => known(score.auroc.value)).sort((a, b) => b.auroc.value! - a.auroc.value!);

const FEW = 10; // answers: a share of fewer says nothing, and would hide the rest of the picture; it is in the table

function curves_of(scores: Score[]) {
  return scores.map((score) => score.risk_coverage.flatMap((point) => {
    const coverage = point.coverage.value, risk = point.risk.value;
    if (!known(coverage) || !known(risk) || point.risk.n < FEW) return [];
    const tip = `${score.title}\nthreshold ${show(point.threshold, "ratio")}\nanswers ${number(coverage, "rate")}\nwrong ${sentence(point.risk, "rate")}`;
    return [{ coverage, risk, lo: point.risk.ci[0], hi: point.risk.ci[1], tip }];
  }).sort((a, b) => a.coverage - b.coverage));
}

function risk_figure(certainty: Certainty): HTMLElement {
  const scores = certainty.scores.filter((score) => score.risk_coverage.length > 0);
  const lines = series(scores.map((score) => score.title)), curves = curves_of(scores);
  const advice = has_threshold(certainty.advice) ? certainty.advice : null, bold = scores.findIndex((score) => score.id === advice?.score);
  const at = advice && known(advice.coverage.value) && known(advice.error.value) ? [{ x: advice.coverage.value, y: advice.error.value }] : [];
  const promised = known(advice?.risk.value) ? [advice.risk.value] : [];
  const top = Math.min(1, Math.ceil(Math.max(0.05, ...curves.flat().map((d) => d.risk)) * 10) / 10);
  const left = (width: number) => (at[0]?.x ?? 0) * (width - 68) > 130; // there is room beside the ring
  const draw = (width: number) => plot({ label: "Share of wrong answers by share answered; the numbers are in the table", width, height: width < 520 ? 320 : 380 }, {
    marginLeft: 48, marginTop: 26,
    x: { ...rate_axis(width < 420 ? 3 : 5), grid: false, label: "share of questions it answers", labelAnchor: "center", labelArrow: "none" },
    y: { domain: [0, top], tickFormat: percent_tick, ticks: 5, tickSize: 0, grid: true, label: "share of its answers that are wrong", labelArrow: "none" },
    marks: [
      Plot.ruleY([0]),
      Plot.ruleY(promised, { stroke: "var(--soft)", strokeDasharray: "4 3" }),
      Plot.text(promised, { x: 1, y: Plot.identity, dy: 9, textAnchor: "end", fill: "var(--soft)", text: (risk: number) => `promised: at most ${number(risk, "rate")}` }),
      bold < 0 ? null : Plot.areaY(curves[bold]!.filter((d) => known(d.lo) && known(d.hi)),
        { x: "coverage", y1: "lo", y2: (d) => Math.min(d.hi, top), fill: lines[bold]!.color, fillOpacity: 0.14 }),
      ...curves.map((curve, i) => Plot.lineY(curve, { x: "coverage", y: "risk", stroke: lines[i]!.color, strokeWidth: i === bold ? 2.8 : 1.8, strokeDasharray: lines[i]!.dash ?? "none" })),
      ...curves.map((curve, i) => Plot.dot(curve.filter((_, k) => k % Math.ceil(curve.length / 6) === 0), { x: "coverage", y: "risk", fill: lines[i]!.color, symbol: lines[i]!.symbol, r: 4 })),
      Plot.ruleX(at, { x: "x", y1: 0, y2: "y", stroke: "var(--ink)", strokeDasharray: "2 3" }),
      Plot.dot(at, { x: "x", y: "y", r: 6, fill: "var(--paper)", stroke: "var(--ink)", strokeWidth: 2.5 }),
      Plot.text(at, { x: "x", y: "y", dy: -16, dx: left(width) ? -4 : -6, textAnchor: left(width) ? "end" : "start", fontWeight: 600, fontSize: 13, fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 5,
        text: () => `${show(advice?.error, "rate")} wrong,\n${show(advice?.coverage, "rate")} answered`, lineAnchor: "bottom" }),
      Plot.tip(curves.flat(), Plot.pointer({ x: "coverage", y: "risk", title: "tip" })),
    ],
  });
  return figure({
    title: "What keeping silent buys",
    how: `Going left, the model keeps silent on the questions it is least sure of; the lower a curve, the better its score.${at.length ? " The ring is the advised threshold." : ""}`,
  }, [key(lines), chart(draw)], numbers(scores.flatMap((score) => score.risk_coverage.map((point): TableRow => (
    { label: score.title, what: `wrong, answering ${show(point.coverage, "rate")} (from ${show(point.threshold, "ratio")})`, num: point.risk, style: "rate" })))));
}

function ranking_figure(scores: Score[]): HTMLElement {
  const rows = by_auroc(scores), low = Math.min(0.5, ...rows.map((row) => Math.min(row.auroc.value!, row.auroc.ci[0] ?? 1)));
  return figure({
    title: "Which score tells right from wrong?", how: "The chance that a right answer gets a surer score than a wrong one (AUROC): 0.5 is guessing, 1 is perfect.",
  }, [rows_picture(rows.map((row) => ({ label: capital(row.title), parts: [{ name: "AUROC", num: row.auroc, color: "var(--blue)" }] })),
    { label: "AUROC of each score", kind: "dots", style: "ratio", domain: [Math.floor(low * 10) / 10, 1], line: { at: 0.5, text: "guessing" } })],
  numbers(rows.flatMap((row): TableRow[] => [
    { label: row.title, what: "AUROC", num: row.auroc, style: "ratio" }, { label: row.title, what: "area under risk-coverage", num: row.aurc, style: "plain" },
    { label: row.title, what: "calibration error", num: row.ece, style: "rate" }, { label: row.title, what: "Brier score", num: row.brier, style: "plain" },
  ])));
}

function promise(advice: Advice, score: Score | undefined): HTMLElement {
  return h("p", { class: "callout" },
    h("strong", {}, `Answer only where the ${score_name(advice, score)} is ${threshold_words(advice, score)}.`),
    ` The promise: with ${show(advice.confidence, "rate")} confidence, at most ${show(advice.risk, "rate")} of such answers are wrong.`,
    ` On groups the threshold was not chosen on, ${sentence(advice.error, "rate")} were wrong, and it answered ${show(advice.coverage, "rate")} of the questions.`);
}

// Whether the best score of sampled answers is worth what it costs beside the best one of a single answer.
function price(scores: Score[]): HTMLElement | null {
  const ranked = by_auroc(scores).filter((score) => known(score.tokens?.value)), least = Math.min(...ranked.map((score) => score.tokens.value!));
  const cheap = ranked.find((score) => score.tokens.value === least), dear = ranked.find((score) => score.tokens.value! > least);
  if (!cheap || !dear) return null;
  const gain = dear.auroc.value! - cheap.auroc.value!, times = (dear.tokens.value! / least).toFixed(1);
  return h("p", {},
    `Of the scores that read one answer, ${lower_first(cheap.title)} is best (AUROC ${show(cheap.auroc, "ratio")}); of those that also sample answers, `,
    `${lower_first(dear.title)} (${show(dear.auroc, "ratio")}), at ${times} times the tokens. `,
    gain >= 0.01 ? "Sample where a wrong answer costs more than the tokens." : "Sampling is not worth its price on questions like these.");
}

function calibrated(of: Calibrated): HTMLElement {
  return h("p", { class: "callout" }, h("strong", {}, `Under a confidence of ${show(of.under, "ratio")} the calibration you gave withholds the answer.`),
    ` It answered ${show(of.coverage, "rate")} of these questions, and ${sentence(of.error, "rate")} of those answers were wrong; its confidences are off by ${show(of.ece, "rate")} on average.`);
}

export function abstain_section(certainty: Certainty): Section {
  const section = { id: "abstain", name: "When to abstain", question: "When should it abstain?" };
  const { scores, advice } = certainty, best = by_auroc(scores)[0];
  const curves = scores.some((score) => score.risk_coverage.some((point) => known(point.risk.value)));
  if (!best && !curves) return { ...section, answer: "Right and wrong answers could not be told apart by any score: there were too few of one of them.", body: null };
  const chosen = scores.find((score) => score.id === advice?.score);
  const answer = best ? `The score that best tells right from wrong is ${best.title}, with an AUROC of ${show(best.auroc, "ratio")}.`
    : "All answers were alike, so no score can tell right from wrong.";
  return { ...section, answer, body: [
    certainty.calibration ? calibrated(certainty.calibration) : null,
    has_threshold(advice) ? promise(advice, chosen) : note("No threshold is advised: none promises few enough wrong answers."),
    curves ? risk_figure(certainty) : null, best ? ranking_figure(scores) : null, price(scores),
  ] };
}
