// The frame of the page: the table of contents, and what paper needs.
import { h, type Section } from "./dom";

export function contents(sections: Section[], more: boolean): HTMLElement {
  const entries = [...sections.map(({ id, name }) => [id, name] as const), ...(more ? [["not-measured", "Not measured"] as const] : [])];
  const links = new Map(entries.map(([id, name]) => [id, h("a", { href: `#${id}` }, name)]));
  const watch = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen)
      if (isIntersecting) for (const [id, link] of links) id === target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-20% 0px -70% 0px" });
  requestAnimationFrame(() => entries.forEach(([id]) => watch.observe(document.getElementById(id)!)));
  return h("nav", { "aria-label": "Contents" }, h("ul", {}, ...[...links.values()].map((link) => h("li", {}, link))));
}

export function part({ id, question, answer, body }: Section): HTMLElement {
  return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, question), h("p", { class: "answer" }, answer), ...body ?? []);
}

// On paper nothing can be opened: every table is, and closes again afterwards.
export function open_on_paper(): void {
  let opened: HTMLDetailsElement[] = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll<HTMLDetailsElement>("details:not([open])")];
    for (const item of opened) item.open = true;
  });
  addEventListener("afterprint", () => opened.forEach((item) => (item.open = false)));
}
