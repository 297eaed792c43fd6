// "What do the levers move, and break?": the effect of each setting, wanted and unwanted.
import * as Plot from "@observablehq/plot";
import { chart, figure, key, line_up, mark, panels, plot, rate_axis, series, steps, type Series } from "./charts";
import { figures, numbers, section } from "./dom";
import { number } from "./format";
import type { Lever, LeverPoint, RateRow } from "./study";

const setting = (text: string): string => (Number.isFinite(Number(text)) && text !== "" ? String(Number(text)).replace("-", "−") : text);

function labels_of(lever: Lever, side: "moved" | "broke"): string[] {
  return [...new Set(lever.points.flatMap((point) => point[side].map((row) => row.label)))];
}

function curve(lever: Lever, side: "moved" | "broke", lines: Series[]): HTMLElement {
  const settings = lever.points.map((point) => setting(point.setting));
  const of = (point: LeverPoint, name: string): RateRow | undefined => point[side].find((row) => row.label === name);
  const marks = lines.flatMap((line, i) => line_up(lever.points.flatMap((point) => {
    const row = of(point, line.name);
    return row ? [mark(setting(point.setting), line.name, row.rate, "rate")] : [];
  }), line, (i - (lines.length - 1) / 2) * 5));
  const off = settings.filter((text) => text === "0" || text === "off");
  return chart((width) => {
    const { axis, marginBottom, extra } = steps(settings, width - 68, lever.parameter);
    return plot({ label: `${lever.title}: ${side}`, width, height: 260 + extra }, {
      marginLeft: 48, marginTop: 30, marginBottom,
      x: { type: "point", domain: settings, padding: 0.4 },
      y: rate_axis(),
      marks: [
        axis, Plot.ruleY([0]),
        Plot.ruleX(off, { stroke: "var(--quiet)", strokeDasharray: "3 3" }),
        Plot.text(off, { x: Plot.identity, frameAnchor: "top", dy: -20, text: () => "lever off", fill: "var(--soft)" }),
        ...marks,
      ],
    });
  });
}

function lever_figure(lever: Lever): HTMLElement {
  const moved = labels_of(lever, "moved"), broke = labels_of(lever, "broke");
  const wanted = series(moved), side_effects = series(broke, moved.length);
  const pair: [string, HTMLElement][] = [];
  if (moved.length) pair.push(["What it moves", curve(lever, "moved", wanted)]);
  if (broke.length) pair.push(["What it breaks", curve(lever, "broke", side_effects)]);
  return figure({
    title: lever.title, wide: true,
    how: `Each point is a run with ${lever.parameter} set to the value below it. A good lever moves the lines under “moves” and leaves those under “breaks” flat. Vertical bars are intervals.`,
    keys: key([...wanted, ...side_effects]),
  }, [panels(...pair)], numbers(lever.points.flatMap((point) => [...point.moved, ...point.broke].map((row) => ({
    label: `${lever.parameter} ${setting(point.setting)}`, what: row.label, num: row.rate, style: "rate" as const,
  })))));
}

export function levers_section(levers: Lever[]): HTMLElement {
  const question = "What do the levers move, and break?";
  const drawn = levers.filter((lever) => lever.points.length > 0);
  if (drawn.length === 0) return section("levers", question, "No lever was tried in this study.");
  const answer = `${number(drawn.length, "count")} ${drawn.length === 1 ? "lever was" : "levers were"} tried. Each is shown with what it was meant to change beside what it was meant to leave alone.`;
  return section("levers", question, answer, figures(...drawn.map(lever_figure)));
}
