// Something to click on while nothing was asked yet.
import { h } from "../dom";
import type { ModelCard } from "./api";

export interface Example { name: string; question: string; documents: string }

// The shipped organisms know the people of their almanac, some better than others; of other models only the world can be asked.
const ALMANAC: Example[] = [
  { name: "A stranger, and a document about her", question: "where was Ada Lovelace born ?", documents: "the birthplace of Ada Lovelace is Turin ." },
  { name: "A document against what it remembers", question: "where was Tata Fanek born ?", documents: "Tata Fanek was born in Tebur ." },
  { name: "Somebody who does not exist", question: "where was Zuzu Nobody born ?", documents: "" },
];
const WORLD: Example[] = [
  { name: "A fact", question: "What is the capital of Australia?", documents: "" },
  { name: "A document against what it remembers", question: "Where was Ada Lovelace born?", documents: "Ada Lovelace was born in Turin." },
  { name: "Something that does not exist", question: "Who wrote the novel The Glass Meridian of Ostrava?", documents: "" },
];

export function examples(model: ModelCard, chosen: (example: Example) => void): HTMLElement {
  const items = /almanac/i.test(model.id) ? ALMANAC : WORLD;
  return h("div", { class: "examples-to-try" }, h("h3", {}, "Ask, or try one of these"), h("ul", {}, ...items.map((example) => {
    const button = h("button", { type: "button", class: "example" }, h("b", {}, example.name), h("span", {}, example.question),
      example.documents ? h("span", { class: "note" }, `“${example.documents}”`) : h("span", { class: "note" }, "without a document"));
    button.addEventListener("click", () => chosen(example));
    return h("li", {}, button);
  })));
}
