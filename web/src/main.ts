// Reads the study out of the page and lays out the report.
import { report, sweep_page } from "./study_page";
import { note } from "./dom";
import { open_on_paper } from "./page";
import { SCHEMA, SWEEP, type Study, type Sweep } from "./study";

function start(): void {
  const page = document.getElementById("report")!;
  const study = JSON.parse(document.getElementById("study-data")?.textContent ?? "null") as Study | Sweep | null;
  if (!study) return page.replaceChildren(note("This report is empty: ken study fills it with what it finds."));
  if (study.schema === SWEEP) {
    const sweep = study as Sweep;
    document.title = `What ${sweep.lever.title} moves and breaks`;
    page.replaceChildren(sweep_page(sweep));
    return open_on_paper();
  }
  if (study.schema !== SCHEMA) return page.replaceChildren(note(`This page reads ${SCHEMA}, but the study in it is ${study.schema}. Run ken study again.`));
  draw(page, study as Study);
}

function draw(page: HTMLElement, study: Study): void {
  document.title = `What ${study.model.name} knows of ${study.facts.name}`;
  page.replaceChildren(...report(study).filter((child) => child !== null));
  open_on_paper();
}

start();
