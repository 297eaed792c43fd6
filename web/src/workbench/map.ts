// The layer x token map: each cell is what a layer would say at a token, coloured by how likely it holds the token that comes next.
import { cut } from "../charts";
import { h, scroll_box } from "../dom";
import { known } from "../format";
import type { LensReply, ProbeRow } from "./api";
import { small } from "./bars";
import { visible } from "./tokens";

export interface Cell { layer: number; token: number }

const LETTERS = 10;

// From paper to full colour; the text turns where the colour is dark.
export const heat = (value: number | null, color = "var(--heat)"): string => {
  const share = known(value) ? Math.max(0, Math.min(1, value)) : 0;
  return `background:color-mix(in oklab, ${color} ${(100 * share).toFixed(1)}%, var(--heat-paper));color:var(${share > 0.62 ? "--on-heat" : "--under-heat"})`;
};

export const layer_name = (reply: LensReply, layer: number): string =>
  reply.layers[layer]!.layer === 0 ? "embedding" : `layer ${reply.layers[layer]!.layer}`;

// The last layer stands on top, as the stream flows upwards.
export class LayerMap {
  readonly element: HTMLElement;
  private readonly cells = new Map<string, HTMLElement>();
  private readonly heads: HTMLElement[];
  private at: Cell;
  private readonly table: HTMLElement;

  constructor(private readonly reply: LensReply, private readonly chosen: (cell: Cell) => void) {
    this.at = { layer: reply.layers.length - 1, token: Math.max(0, Math.min(reply.answer_from, reply.tokens.length) - 1) };
    this.heads = reply.tokens.map(({ text }, token) => h("th", { scope: "col", class: this.column(token), title: text }, cut(visible(text), LETTERS)));
    const head = h("tr", { role: "row" }, h("th", { scope: "col" }, "reads"), ...this.heads);
    const rows = reply.layers.map((_, layer) => this.row(layer)).reverse(), probes = (reply.probes ?? []).map((probe) => this.probe(probe));
    this.table = h("table", { class: "map", role: "grid", "aria-label": "Layer by token map; arrow keys move" }, h("thead", {}, head), h("tbody", {}, ...rows, ...probes));
    this.table.addEventListener("keydown", (event) => this.key(event));
    this.element = scroll_box("Layer by token map", this.table);
    this.element.removeAttribute("tabindex"); // the cell within is the one stop of the Tab key
    this.element.classList.add("map-box");
    this.cells.get(this.name(this.at))?.setAttribute("tabindex", "0");
  }

  // Shows the chosen cell; the browser must have laid the map out.
  start(): void {
    const box = this.element, cell = this.cells.get(this.name(this.at));
    if (cell) box.scrollLeft = cell.offsetLeft - box.clientWidth + 2.2 * cell.offsetWidth;
    this.choose(this.at, false);
  }

  private name = ({ layer, token }: Cell): string => `${layer},${token}`;
  // The token before the answer is where the answer begins to be said.
  private column = (token: number): string => (token === this.reply.answer_from - 1 ? "begins" : token >= this.reply.answer_from ? "answer-token" : "");

  private row(layer: number): HTMLElement {
    const { top, next, name } = this.reply.layers[layer]!;
    const cells = this.reply.tokens.map((_, token) => {
      const first = top[token]?.[0], value = next[token] ?? first?.probability ?? null, is_next = known(next[token]);
      const said = `${layer_name(this.reply, layer)}, ${visible(this.reply.tokens[token]!.text)}: ${visible(first?.text ?? "")} ${small(first?.probability ?? null)}${is_next ? `; what comes next ${small(next[token]!)}` : ""}`;
      const cell = h("td", { role: "gridcell", tabindex: "-1", class: this.column(token), style: heat(value), "aria-label": said, title: said }, cut(visible(first?.text ?? ""), LETTERS));
      cell.addEventListener("click", () => this.choose({ layer, token }));
      this.cells.set(this.name({ layer, token }), cell);
      return cell;
    });
    return h("tr", { role: "row" }, h("th", { scope: "row", title: name }, layer_name(this.reply, layer).replace("layer ", "")), ...cells);
  }

  private probe({ name, point, target, scores }: ProbeRow): HTMLElement {
    const cells = this.reply.tokens.map((_, token) => h("td", { role: "gridcell", class: this.column(token), style: heat(scores[token] ?? null, "var(--purple)"), title: `${name}: ${target} ${small(scores[token] ?? null)}` }, small(scores[token] ?? null)));
    return h("tr", { role: "row", class: "probe" }, h("th", { scope: "row", title: `${name} at ${point}: ${target}` }, cut(name, 12)), ...cells);
  }

  private choose(cell: Cell, focus = true): void {
    const before = this.cells.get(this.name(this.at)), now = this.cells.get(this.name(cell));
    if (!now) return;
    before?.setAttribute("tabindex", "-1");
    before?.removeAttribute("aria-selected");
    this.heads[this.at.token]?.classList.remove("chosen");
    this.heads[cell.token]?.classList.add("chosen");
    now.setAttribute("tabindex", "0");
    now.setAttribute("aria-selected", "true");
    this.at = cell;
    if (focus) {
      now.focus({ preventScroll: true });
      now.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    this.chosen(cell);
  }

  private key(event: KeyboardEvent): void {
    const { layer, token } = this.at, last = this.reply.tokens.length - 1, top = this.reply.layers.length - 1;
    const to: Cell | undefined = {
      ArrowUp: { layer: layer + 1, token }, ArrowDown: { layer: layer - 1, token }, ArrowRight: { layer, token: token + 1 }, ArrowLeft: { layer, token: token - 1 },
      Home: { layer, token: 0 }, End: { layer, token: last }, PageUp: { layer: top, token }, PageDown: { layer: 0, token },
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.choose({ layer: Math.max(0, Math.min(top, to.layer)), token: Math.max(0, Math.min(last, to.token)) });
  }
}
