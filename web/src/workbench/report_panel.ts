// A study's report, read from disk into the page. Of report.html only the study in it is used: nothing in the file is run, and nothing is sent.
import { h } from "../dom";
import { open_on_paper } from "../page";
import { SCHEMA, SWEEP, type Study, type Sweep } from "../study";
import { report, sweep_page } from "../study_page";
import { complaint, panel_element, type Panel } from "./bench";

function study_in(text: string): unknown {
  if (!text.trimStart().startsWith("<")) return JSON.parse(text);
  return JSON.parse(new DOMParser().parseFromString(text, "text/html").getElementById("study-data")?.textContent ?? "null");
}

function pages_of(text: string): HTMLElement[] {
  let study: { schema?: string } | null = null;
  try {
    study = study_in(text) as { schema?: string } | null;
  } catch { /* said below */ }
  if (!study || typeof study !== "object") throw new Error("There is no study in this file; give the report.html or the study.json that ken study wrote.");
  if (study.schema === SWEEP) return [sweep_page(study as Sweep)];
  if (study.schema !== SCHEMA) throw new Error(`This page reads ${SCHEMA}, but the file holds ${study.schema ?? "something else"}. Run ken study again, or open report.html by itself.`);
  return report(study as Study).filter((child) => child !== null);
}

export class ReportPanel implements Panel {
  readonly id = "report";
  readonly name = "Report";
  readonly action = null;
  readonly element: HTMLElement;
  private readonly out = h("div", { class: "report" });

  constructor() {
    const input = h("input", { type: "file", id: "report-file", accept: ".html,.json,text/html,application/json" }) as HTMLInputElement;
    input.addEventListener("change", () => void this.open(input.files?.[0]));
    const drop = h("div", { class: "drop" }, h("label", { for: "report-file" }, "Open the report of a study"), input,
      h("p", { class: "note" }, "report.html or study.json, as ", h("code", {}, "ken study -o FOLDER"), " writes them; or drop the file here. It is read in this page and sent nowhere."));
    this.element = panel_element("report", drop, this.out);
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      void this.open(event.dataTransfer?.files[0]);
    });
    // The address holds the view: links within the report only scroll.
    this.out.addEventListener("click", (event) => this.follow(event));
    open_on_paper();
  }

  run(): Promise<void> { return Promise.resolve(); }

  private async open(file: File | undefined): Promise<void> {
    if (!file) return;
    try {
      this.out.replaceChildren(...pages_of(await file.text()));
      this.out.querySelector("main")?.setAttribute("role", "group"); // the page has its own main part
    } catch (error) {
      this.out.replaceChildren(complaint((error as Error).message));
    }
  }

  private follow(event: MouseEvent): void {
    const href = (event.target as Element).closest("a")?.getAttribute("href");
    if (!href?.startsWith("#")) return;
    event.preventDefault();
    const target = this.out.querySelector<HTMLElement>(`[id="${CSS.escape(href.slice(1))}"]`);
    target?.setAttribute("tabindex", "-1");
    target?.scrollIntoView();
    target?.focus({ preventScroll: true });
  }
}
