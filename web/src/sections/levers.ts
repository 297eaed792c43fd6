// "What do the levers move, and break?": the effect of each setting, wanted and unwanted.
import * as Plot from "@observablehq/plot";
import { chart, cut, key, line_up, mark, plot, rate_axis, series, steps, type Series } from "../charts";
import { figure, h, numbers, panels, type Section, type TableRow } from "../dom";
import { known, show } from "../format";
import type { Lever, LeverPoint, RateRow } from "../study";

const setting = (text: string): string => cut(Number.isFinite(Number(text)) && text !== "" ? String(Number(text)).replace("-", "−") : text, 18);

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
    const { axis, marginBottom, extra } = steps(settings, width - 68, cut(lever.parameter, 40));
    return plot({ label: `${lever.title}, ${side === "moved" ? "what it moves" : "what it may break"}; the numbers are in the table`, width, height: 260 + extra }, {
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
  const panel = (side: "moved" | "broke", lines: Series[]) => h("div", {}, key(lines), curve(lever, side, lines));
  if (moved.length) pair.push(["What it moves", panel("moved", wanted)]);
  if (broke.length) pair.push(["What it may break", panel("broke", side_effects)]);
  return figure({
    title: lever.title,
    how: `Each point is a run with ${lever.parameter} set to the value below it. A good lever moves the lines of the first picture and leaves those of the second flat.`,
  }, [panels(...pair)], numbers(lever.points.flatMap((point) => [...point.moved, ...point.broke].map((row): TableRow => ({
    label: `${lever.parameter} ${setting(point.setting)}`, what: row.label, num: row.rate, style: "rate",
  })))));
}

const is_off = (point: LeverPoint): boolean => setting(point.setting) === "0" || point.setting === "off";
const rate_in = (rows: RateRow[], label: string): number => rows.find((row) => row.label === label)?.rate.value ?? NaN;

// The setting that moves the first measure most, less what it changes of the others, against the lever at rest.
export interface BestSetting { lever: Lever; setting: string; label: string; before: RateRow; after: RateRow; gain: number; damage: RateRow | null; damage_before: RateRow | null }

function best_of(lever: Lever): BestSetting | null {
  const off = lever.points.find(is_off), before = off?.moved[0];
  if (!off || !before || !known(before.rate.value)) return null;
  const found = lever.points.flatMap((point): BestSetting[] => {
    const after = point.moved.find((row) => row.label === before.label);
    if (!after || !known(after.rate.value)) return [];
    const change = (row: RateRow) => Math.abs((row.rate.value ?? NaN) - rate_in(off.broke, row.label));
    const damage = point.broke.filter((row) => known(change(row))).sort((a, b) => change(b) - change(a))[0] ?? null;
    return [{ lever, setting: setting(point.setting), label: before.label, before, after, damage,
      damage_before: off.broke.find((row) => row.label === damage?.label) ?? null,
      gain: after.rate.value - before.rate.value! - (damage ? change(damage) : 0) }];
  });
  return found.sort((a, b) => b.gain - a.gain)[0] ?? null;
}

export function best_setting(levers: Lever[]): BestSetting | null {
  const best = levers.flatMap((lever) => best_of(lever) ?? []).sort((a, b) => b.gain - a.gain)[0];
  return best && best.gain > 0.02 ? best : null;
}

const measured = (lever: Lever): boolean => lever.points.some((point) => [...point.moved, ...point.broke].some((row) => known(row.rate.value)));

export function levers_section(levers: Lever[]): Section {
  const section = { id: "levers", name: "Levers", question: "What does the lever move and what does it break?" };
  const drawn = levers.filter(measured);
  if (drawn.length === 0) return { ...section, answer: "No lever was tried.", body: null };
  const best = best_setting(drawn);
  const answer = best
    ? `${best.lever.title} at ${best.lever.parameter} = ${best.setting} takes ${best.label} from ${show(best.before.rate, "rate")} to ${show(best.after.rate, "rate")}`
      + (best.damage ? `; its largest side effect: ${best.damage.label}, ${show(best.damage_before?.rate, "rate")} to ${show(best.damage.rate, "rate")}.` : ".")
    : "No setting moves what it is meant to move by more than it changes the rest.";
  return { ...section, answer, body: drawn.map(lever_figure) };
}
