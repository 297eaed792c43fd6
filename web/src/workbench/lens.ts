// What the map can show of one reply: the logit lens, and the scores of each family of probes.
import { h } from "../dom";
import { known } from "../format";
import type { LensReply, ProbeRow } from "./api";
import { bars, small } from "./bars";
import type { Cell, MapData, MapRow } from "./map";
import { visible } from "./tokens";

// A way to read the states: what to draw, what a cell means, and one token's values through the layers.
export interface Reading { name: string; scale: string; color: string; map: MapData; about: (cell: Cell) => HTMLElement; through: (token: number) => { title: string; values: (number | null)[] } }

const MOST_TOKENS = 160; // columns that a browser lays out at once

// Of a long prompt its end, where the answer is.
export function recent(reply: LensReply): LensReply {
  const from = Math.max(0, reply.tokens.length - MOST_TOKENS);
  return {
    tokens: reply.tokens.slice(from), answer_from: reply.answer_from - from,
    layers: reply.layers.map((row) => ({ ...row, top: row.top.slice(from), next: row.next.slice(from) })),
    probes: reply.probes?.map((probe) => ({ ...probe, scores: probe.scores.slice(from) })),
  };
}

const layer_name = (layer: number): string => (layer === 0 ? "embedding" : `layer ${layer}`);
const texts = ({ tokens }: LensReply): string[] => tokens.map(({ text }) => text);

function lens_row(reply: LensReply, i: number): MapRow {
  const { layer, name, top, next } = reply.layers[i]!;
  const cells = reply.tokens.map(({ text }, token) => {
    const first = top[token]?.[0], said = `${layer_name(layer)}, ${visible(text)}: ${visible(first?.text ?? "")} ${small(first?.probability ?? null)}`;
    return { text: visible(first?.text ?? ""), value: next[token] ?? first?.probability ?? null, said: known(next[token]) ? `${said}; what comes next ${small(next[token]!)}` : said };
  });
  return { label: layer === 0 ? "embedding" : String(layer), title: name, cells };
}

function lens_cell(reply: LensReply, { row, token }: Cell): HTMLElement {
  const { layer, top, next } = reply.layers[row]!, after = reply.tokens[token + 1], value = next[token];
  const items = (top[token] ?? []).map(({ text, probability }) => ({ label: visible(text), value: probability, strong: text === after?.text }));
  return h("div", {}, h("h3", {}, `${layer_name(layer)}, at “${visible(reply.tokens[token]!.text)}”`), h("p", { class: "how" },
    known(value) && after ? `Next comes “${visible(after.text)}”, to which this layer gives ${small(value)}.` : "What this layer would say next."), bars(items, "likeliest tokens"));
}

function lens(reply: LensReply): Reading {
  return {
    name: "what each layer would say next (logit lens)", scale: "Probability of the token that comes next", color: "var(--heat)",
    map: { label: "Layer by token map of the logit lens", tokens: texts(reply), answer_from: reply.answer_from, rows: reply.layers.map((_, i) => lens_row(reply, i)) },
    about: (cell) => lens_cell(reply, cell),
    through: (token) => {
      const after = reply.tokens[token + 1];
      return { title: after ? `“${visible(after.text)}” through the layers` : "The token that comes next through the layers", values: reply.layers.map(({ next }) => next[token] ?? null) };
    },
  };
}

// "correct at answer of blocks.3.hook_resid_post": probes of one kind differ in the point only.
const family = ({ name, point }: ProbeRow): string => name.replace(` of ${point}`, "");
const point_label = (point: string): string => (/embed|resid_pre/.test(point) ? "embedding" : String(Number(/\d+/.exec(point)?.[0] ?? -1) + 1));

function probes(reply: LensReply, name: string, rows: ProbeRow[]): Reading {
  const cells = ({ scores, point }: ProbeRow) => reply.tokens.map(({ text }, token) => {
    const score = small(scores[token] ?? null);
    return { text: score, value: scores[token] ?? null, said: `${name}, ${point}, ${visible(text)}: ${score}` };
  });
  return {
    name: `probe: ${name}`, scale: `Probability of “${rows[0]!.target}”`, color: "var(--purple)",
    map: { label: `Layer by token map of the probe ${name}`, tokens: texts(reply), answer_from: reply.answer_from, color: "var(--purple)", rows: rows.map((row) => ({ label: point_label(row.point), title: row.point, cells: cells(row) })) },
    about: ({ row, token }) => h("div", {}, h("h3", {}, `${rows[row]!.point}, at “${visible(reply.tokens[token]!.text)}”`),
      h("p", { class: "how" }, `The probe gives “${rows[row]!.target}” ${small(rows[row]!.scores[token] ?? null)}. It was fitted on one place of the prompt; elsewhere it reads what it was not fitted on.`)),
    through: (token) => ({ title: `${name} through the layers`, values: rows.map(({ scores }) => scores[token] ?? null) }),
  };
}

export function readings_of(reply: LensReply): Reading[] {
  const families = new Map<string, ProbeRow[]>();
  for (const probe of reply.probes ?? []) families.set(family(probe), [...(families.get(family(probe)) ?? []), probe]);
  return [lens(reply), ...[...families].map(([name, rows]) => probes(reply, name, rows))];
}
