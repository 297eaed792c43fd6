// Reads the study out of the page and lays out the report.
import { about, not_measured } from "./about";
import { h, note, type Section } from "./dom";
import { first_screen } from "./first_screen";
import { contents, open_on_paper, part } from "./page";
import { abstain_section } from "./sections/abstain";
import { claims_section } from "./sections/claims";
import { conflict_section } from "./sections/conflict";
import { knows_section } from "./sections/knows";
import { levers_section } from "./sections/levers";
import { other_words_section } from "./sections/other_words";
import { probes_section } from "./sections/probes";
import { reading_section } from "./sections/reading";
import { sure_section } from "./sections/sure";
import { wrong_section } from "./sections/wrong";
import { SCHEMA, SWEEP, type Study, type Sweep } from "./study";

function sections_of({ recall, certainty, conflict, probes, levers }: Study): Section[] {
  return [
    knows_section(recall), other_words_section(recall.variants), wrong_section(recall.wrong), claims_section(recall.claims),
    sure_section(certainty, recall), abstain_section(certainty), conflict_section(conflict), reading_section(conflict),
    probes_section(probes), levers_section(levers),
  ];
}

function report(study: Study): (HTMLElement | null)[] {
  const all = sections_of(study), told = all.filter((section) => section.body), untold = all.filter((section) => !section.body);
  return [
    h("a", { class: "skip", href: "#pictures" }, "Skip to the pictures"),
    first_screen(study),
    h("div", { class: "columns" }, contents(told, untold.length > 0), h("main", { id: "pictures" }, ...told.map(part), not_measured(untold))),
    about(study),
  ];
}

// What ken steer sweep found: one lever.
function sweep_page({ model, facts, lever }: Sweep): HTMLElement {
  const section = levers_section([lever]);
  return h("main", { id: "pictures" },
    h("h1", {}, `What ${lever.title} moves and breaks`), h("p", {}, `${model}, asked about ${facts}.`), part(section));
}

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
