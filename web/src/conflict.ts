// "Context or memory?": whose answer is given when a passage contradicts what the model learnt, and how well it reads.
import * as Plot from "@observablehq/plot";
import { bars_across, block_key, chart, figure, label_room, mark, panels, plot, rate_axis, row_axis } from "./charts";
import { examples, figures, note, numbers, section } from "./dom";
import { band, exposure_title, number, sentence, show } from "./format";
import type { AccuracyRow, Conflict, FollowRow } from "./study";

// Context grows from the left and memory from the right, so that both have a straight edge to be compared on.
const SIDES = [
  { id: "context", name: "as the context says", color: "var(--blue)", ink: "var(--on-blue)" },
  { id: "neither", name: "neither", color: "var(--gap)", ink: "var(--ink)" },
  { id: "memory", name: "as it remembers", color: "var(--vermilion)", ink: "var(--on-vermilion)" },
] as const;

function stacks(rows: FollowRow[]) {
  return rows.flatMap((row) => {
    let from = 0;
    return SIDES.map((side) => {
      const share = row[side.id].value ?? 0, x1 = from;
      from += share;
      return { at: band(row.label), side, share, x1, x2: from, tip: `${band(row.label)}\n${side.name} ${sentence(row[side.id], "rate")}` };
    });
  });
}

// The interval of the context's share lies near the top edge of the bar, that of memory's near the bottom edge: they never cross, nor hide the percentage.
function whiskers(rows: FollowRow[]) {
  return rows.flatMap((row) => [
    { at: band(row.label), top: true, lo: row.context.ci[0], hi: row.context.ci[1] },
    { at: band(row.label), top: false, lo: mirror(row.memory.ci[1]), hi: mirror(row.memory.ci[0]) },
  ]).filter((d) => d.lo !== null && d.hi !== null);
}

const mirror = (share: number | null): number | null => (share === null ? null : 1 - share);

function stack_chart(name: string, rows: FollowRow[]): HTMLElement {
  const labels = rows.map((row) => band(row.label)), parts = stacks(rows);
  return chart((width) => {
    const room = label_room(labels, width), inner = width - room - 20;
    const fits = (d: { share: number }, least: number) => d.share * inner > least;
    const text = (side: "context" | "neither" | "memory", at: "x1" | "x2" | "mid") => {
      const data = parts.filter((d) => d.side.id === side && fits(d, 36));
      const dx = at === "x1" ? 6 : at === "x2" ? -6 : 0;
      return Plot.text(data, {
        x: (d) => at === "mid" ? (d.x1 + d.x2) / 2 : d[at], y: "at", dx, fill: (d) => d.side.ink, fontWeight: 600,
        textAnchor: at === "x1" ? "start" : at === "x2" ? "end" : "middle", text: (d) => number(d.share, "rate"),
      });
    };
    return plot({ label: name, width, height: 44 + 34 * labels.length }, {
      marginLeft: room, marginTop: 4, marginBottom: 28, color: { type: "identity" },
      x: { ...rate_axis(width < 420 ? 2 : 4), grid: false },
      y: { type: "band", domain: labels, padding: 0.22 },
      marks: [
        row_axis(labels, room),
        Plot.barX(parts, { x1: "x1", x2: "x2", y: "at", fill: (d) => d.side.color, title: "tip", tip: true }),
        ...[true, false].flatMap((top) => [["var(--paper)", 4], ["var(--ink)", 1.8]].map(([stroke, strokeWidth]) =>
          Plot.ruleY(whiskers(rows).filter((d) => d.top === top), { y: "at", x1: "lo", x2: "hi", stroke, strokeWidth, dy: top ? -9 : 9 }))),
        text("context", "x1"), text("neither", "mid"), text("memory", "x2"),
      ],
    });
  });
}

function following(conflict: Conflict): HTMLElement {
  const exposure = exposure_title(conflict.by_exposure.map((row) => row.label));
  const splits: [string, FollowRow[]][] = [
    ["By what it knew before", conflict.groups],
    [`By ${exposure}`, conflict.by_exposure],
    ["By what it was told to do", conflict.by_intent],
  ];
  const drawn = splits.filter(([, rows]) => rows.length > 0);
  return figure({
    title: "Whose answer does it give?", wide: true,
    how: "Each bar is all questions whose passage contradicts the learnt fact, split by the answer given. The thin line at its top edge is the interval of the context’s share, the one at its bottom edge that of memory’s.",
    keys: block_key(SIDES.map(({ name, color }) => ({ name, color }))),
  }, [panels(...drawn.map(([name, rows]): [string, HTMLElement] => [name, stack_chart(name, rows)]))],
  numbers(drawn.flatMap(([, rows]) => rows.flatMap((row) => SIDES.map((side) => ({
    label: row.label, what: side.name, num: row[side.id], style: "rate" as const,
  }))))));
}

function reading(rows: AccuracyRow[]): HTMLElement {
  const labels = rows.map((row) => row.label), marks = rows.map((row) => mark(row.label, "read right", row.accuracy, "rate"));
  const draw = (width: number) => {
    const room = label_room(labels, width);
    return plot({ label: "Reading accuracy", width, height: 44 + 34 * labels.length }, {
      marginLeft: room, marginTop: 4, marginBottom: 28, marginRight: 24,
      x: rate_axis(width < 420 ? 2 : 4),
      y: { type: "band", domain: labels, padding: 0.3 },
      marks: [
        row_axis(labels, room),
        Plot.barX(marks, { x: "value", y: "at", fill: "var(--green)", title: "tip", tip: true }),
        Plot.text(marks, { x: 0, y: "at", dx: 6, textAnchor: "start", fontWeight: 600, fill: "var(--on-green)", text: (d) => number(d.value, "rate") }),
        bars_across(marks, "var(--ink)"), Plot.ruleX([0]),
      ],
    });
  };
  return figure({
    title: "How well does it read?", wide: true, narrow: true,
    how: "Share of questions answered right when the passage holds the answer, alone or among passages about other things. Thin lines are intervals.",
  }, [chart(draw)], numbers(rows.map((row) => ({ label: row.label, what: "read right", num: row.accuracy, style: "rate" }))));
}

function answer(conflict: Conflict): string {
  const parts = conflict.groups.map((row, i) => `${show(row.context, "rate")}${i ? "" : " of questions"} (${row.label})`);
  return parts.length ? `Given a passage that contradicts what it learnt, it follows the passage in ${parts.join(", ")}.` : "It was given passages that contradict what it learnt.";
}

export function conflict_section(conflict: Conflict | null): HTMLElement {
  const question = "Context or memory?";
  if (!conflict) return section("conflict", question, "This fact set has no contexts, so it was not asked to choose between a passage and its memory.");
  const has_rows = conflict.groups.length + conflict.by_exposure.length + conflict.by_intent.length > 0;
  return section("conflict", question, answer(conflict), figures(
    has_rows ? following(conflict) : note("No question came with a passage that contradicts the learnt fact."),
    conflict.reading.length ? reading(conflict.reading) : note("Reading without a contradiction was not measured."),
  ), examples(conflict.examples));
}
