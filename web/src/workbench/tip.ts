// The one tooltip of the page: beside what is pointed at or focused, never outside the window.
import { h, type Child } from "../dom";

const tip = h("div", { id: "tip", role: "tooltip", class: "tip", hidden: "" });
let anchor: HTMLElement | null = null;

export function show_tip(at: HTMLElement, ...content: Child[]): void {
  if (!tip.isConnected) document.body.append(tip);
  anchor?.removeAttribute("aria-describedby");
  anchor = at;
  at.setAttribute("aria-describedby", "tip");
  tip.replaceChildren(...content.filter((child) => child !== null));
  tip.hidden = false;
  // A token may be broken over two lines: the tip belongs to its first piece.
  const box = at.getClientRects()[0] ?? at.getBoundingClientRect(), room = document.documentElement.clientWidth;
  const left = Math.max(8, Math.min(box.left, room - tip.offsetWidth - 8));
  const above = box.bottom + tip.offsetHeight + 12 > innerHeight && box.top > tip.offsetHeight + 12;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above ? box.top - tip.offsetHeight - 6 : box.bottom + 6) + scrollY}px`;
}

export function hide_tip(at?: HTMLElement): void {
  if (at && at !== anchor) return;
  anchor?.removeAttribute("aria-describedby");
  anchor = null;
  tip.hidden = true;
}

// Escape takes the tip away first; true: there was one.
export function escape_tip(): boolean {
  const shown = anchor !== null;
  hide_tip();
  return shown;
}
