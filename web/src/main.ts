// Reads the study out of the page and lays out the report.
import { certainty_section } from "./certainty";
import { conflict_section } from "./conflict";
import { h } from "./dom";
import { about, first_screen } from "./findings";
import { levers_section } from "./levers";
import { probes_section } from "./probes";
import { recall_section } from "./recall";
import type { Study } from "./study";

const CONTENTS: [id: string, name: string][] = [
  ["recall", "Knowing"], ["certainty", "Certainty"], ["conflict", "Context or memory"], ["probes", "Inside"], ["levers", "Levers"],
];

function report(study: Study): HTMLElement[] {
  const links = CONTENTS.map(([id, name]) => h("li", {}, h("a", { href: `#${id}` }, name)));
  return [
    h("a", { class: "skip", href: "#recall" }, "Skip to the pictures"),
    first_screen(study),
    h("nav", { "aria-label": "Sections" }, h("ul", {}, ...links)),
    h("main", {},
      recall_section(study.recall), certainty_section(study.certainty, study.recall), conflict_section(study.conflict),
      probes_section(study.probes), levers_section(study.levers)),
    about(study),
  ];
}

function start(): void {
  const study = JSON.parse(document.getElementById("study-data")?.textContent ?? "null") as Study | null;
  const page = document.getElementById("report")!;
  if (!study) return page.replaceChildren(h("p", { class: "note" }, "This report is empty: ken study fills it with what it finds."));
  document.title = `What ${study.model.name} knows of ${study.facts.name}`;
  page.replaceChildren(...report(study));
}

start();
