// A map of layers by tokens, coloured by a probability in each cell; one cell is chosen, by a click or the arrow keys.
import { cut } from "../charts";
import { h, scroll_box } from "../dom";
import { known } from "../format";
import { visible } from "./tokens";

export interface MapCell { text: string; value: number | null; said: string }
export interface MapRow { label: string; title: string; cells: MapCell[] }
export interface MapData { label: string; tokens: string[]; answer_from: number; rows: MapRow[]; color?: string }

export interface Cell { row: number; token: number }

const LETTERS = 10;

// From paper to full colour; the text turns where the colour is dark.
export const heat = (value: number | null, color = "var(--heat)"): string => {
  const share = known(value) ? Math.max(0, Math.min(1, value)) : 0;
  return `background:color-mix(in oklab, ${color} ${(100 * share).toFixed(1)}%, var(--heat-paper));color:var(${share > 0.62 ? "--on-heat" : "--under-heat"})`;
};

// The last layer stands on top, as the stream flows upwards.
export class LayerMap {
  readonly element: HTMLElement;
  private readonly cells = new Map<string, HTMLElement>();
  private readonly heads: HTMLElement[];
  private at: Cell;
  private readonly table: HTMLElement;

  constructor(private readonly data: MapData, private readonly chosen: (cell: Cell) => void) {
    this.at = { row: data.rows.length - 1, token: Math.max(0, Math.min(data.answer_from, data.tokens.length) - 1) };
    this.heads = data.tokens.map((text, token) => h("th", { scope: "col", class: this.column(token), title: text }, cut(visible(text), LETTERS)));
    const head = h("tr", { role: "row" }, h("th", { scope: "col" }, "reads"), ...this.heads), rows = data.rows.map((row, i) => this.row(row, i)).reverse();
    this.table = h("table", { class: "map", role: "grid", "aria-label": `${data.label}; arrow keys move` }, h("thead", {}, head), h("tbody", {}, ...rows));
    this.table.addEventListener("keydown", (event) => this.key(event));
    this.element = scroll_box(data.label, this.table);
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

  private name = ({ row, token }: Cell): string => `${row},${token}`;
  // The token before the answer is where the answer begins to be said.
  private column = (token: number): string => (token === this.data.answer_from - 1 ? "begins" : token >= this.data.answer_from ? "answer-token" : "");

  private row({ label, title, cells }: MapRow, row: number): HTMLElement {
    const drawn = cells.map(({ text, value, said }, token) => {
      const cell = h("td", { role: "gridcell", tabindex: "-1", class: this.column(token), style: heat(value, this.data.color), "aria-label": said, title: said }, cut(text, LETTERS));
      cell.addEventListener("click", () => this.choose({ row, token }));
      this.cells.set(this.name({ row, token }), cell);
      return cell;
    });
    return h("tr", { role: "row" }, h("th", { scope: "row", title }, label), ...drawn);
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
    const { row, token } = this.at, last = this.data.tokens.length - 1, top = this.data.rows.length - 1;
    const to: Cell | undefined = {
      ArrowUp: { row: row + 1, token }, ArrowDown: { row: row - 1, token }, ArrowRight: { row, token: token + 1 }, ArrowLeft: { row, token: token - 1 },
      Home: { row, token: 0 }, End: { row, token: last }, PageUp: { row: top, token }, PageDown: { row: 0, token },
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.choose({ row: Math.max(0, Math.min(top, to.row)), token: Math.max(0, Math.min(last, to.token)) });
  }
}
