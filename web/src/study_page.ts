// The report of a study, or of one lever, as elements.
import { about, not_measured } from "./about";
import { h, type Section } from "./dom";
import { first_screen } from "./first_screen";
import { contents, part } from "./page";
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
import { type Study, type Sweep } from "./study";

function sections_of({ recall, certainty, conflict, probes, levers }: Study): Section[] {
  return [
    knows_section(recall), other_words_section(recall.variants), wrong_section(recall.wrong), claims_section(recall.claims),
    sure_section(certainty, recall), abstain_section(certainty), conflict_section(conflict), reading_section(conflict),
    probes_section(probes), levers_section(levers),
  ];
}

export function report(study: Study): (HTMLElement | null)[] {
  const all = sections_of(study), told = all.filter((section) => section.body), untold = all.filter((section) => !section.body);
  return [
    h("a", { class: "skip", href: "#pictures" }, "Skip to the pictures"),
    first_screen(study),
    h("div", { class: "columns" }, contents(told, untold.length > 0), h("main", { id: "pictures" }, ...told.map(part), not_measured(untold))),
    about(study),
  ];
}

// What ken steer sweep found: one lever.
export function sweep_page({ model, facts, lever }: Sweep): HTMLElement {
  const section = levers_section([lever]);
  return h("main", { id: "pictures" },
    h("h1", {}, `What ${lever.title} moves and breaks`), h("p", {}, `${model}, asked about ${facts}.`), part(section));
}
