// The panels, one of them shown: arrow keys go between the tabs.
import { h } from "../dom";
import type { Panel } from "./bench";
import type { Tab } from "./view";

export class Tabs {
  readonly element: HTMLElement;
  private readonly buttons: HTMLElement[];

  constructor(private readonly panels: Panel[], private readonly opened: (panel: Panel) => void) {
    this.buttons = panels.map((panel) => {
      const button = h("button", { type: "button", role: "tab", id: `tab-${panel.id}`, "aria-controls": `panel-${panel.id}` }, panel.name);
      button.addEventListener("click", () => this.open(panel.id));
      return button;
    });
    this.element = h("div", { role: "tablist", "aria-label": "Ways to look at the answer", class: "tabs" }, ...this.buttons);
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  open(id: Tab): void {
    this.panels.forEach((panel, i) => {
      const shown = panel.id === id;
      panel.element.hidden = !shown;
      this.buttons[i]!.setAttribute("aria-selected", String(shown));
      this.buttons[i]!.tabIndex = shown ? 0 : -1;
    });
    this.opened(this.panels.find((panel) => panel.id === id)!);
  }

  private key(event: KeyboardEvent): void {
    const at = this.buttons.indexOf(document.activeElement as HTMLElement), n = this.buttons.length;
    const to = { ArrowRight: (at + 1) % n, ArrowLeft: (at + n - 1) % n, Home: 0, End: n - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    this.buttons[to]!.focus();
    this.open(this.panels[to]!.id);
  }
}
