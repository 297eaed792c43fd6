// How the question is asked and which estimators of confidence score the answer.
import { details, h, note } from "../dom";
import { estimators_of, type Bench } from "./bench";
import type { Method } from "./api";
import type { View } from "./view";

function number_field(bench: Bench, name: "temperature" | "max_tokens" | "abstain_under", label: string, bounds: Record<string, string>, meaning: string): HTMLElement {
  const empty = name === "temperature" ? 0 : null, id = `option-${name}`, value = bench.view[name];
  const input = h("input", { type: "number", id, value: value === null ? "" : String(value), ...bounds }) as HTMLInputElement;
  input.addEventListener("input", () => input.checkValidity() && bench.change({ [name]: input.value === "" ? empty : Number(input.value) } as Partial<View>));
  return h("div", { class: "field" }, h("label", { for: id }, label), h("div", { class: "inputs" }, input), note(meaning));
}

function instruction_field(bench: Bench): HTMLElement {
  const input = h("input", { type: "text", id: "option-instruction", value: bench.view.instruction, placeholder: "use only the context" }) as HTMLInputElement;
  input.addEventListener("input", () => bench.change({ instruction: input.value }));
  return h("div", { class: "field" }, h("label", { for: "option-instruction" }, "Instruction"), h("div", { class: "inputs" }, input), note("words between the documents and the question"));
}

function estimator_box(bench: Bench, method: Method): HTMLElement {
  const id = `confidence-${method.id}`, box = h("input", { type: "checkbox", id }) as HTMLInputElement;
  box.checked = bench.view.confidence.includes(method.id);
  box.addEventListener("change", () => {
    const others = bench.view.confidence.filter((one) => one !== method.id);
    bench.change({ confidence: box.checked ? [...others, method.id] : others });
  });
  const samples = method.params.find(({ name }) => name === "samples")?.default;
  return h("li", {}, box, h("label", { for: id, title: method.sentence }, method.title, samples ? h("span", { class: "note" }, ` ${samples} samples`) : null));
}

export function options(bench: Bench): HTMLElement {
  const { ken } = bench.model, estimators = estimators_of(bench);
  return details("How it is asked, and which confidence is measured",
    h("div", { class: "fields across" },
      number_field(bench, "temperature", "Temperature", { min: "0", max: "2", step: "0.1" }, "0: the likeliest answer, which alone has a confidence and a source"),
      number_field(bench, "max_tokens", "Longest answer", { min: "1", step: "1" }, "tokens; empty: as the server sets it"),
      instruction_field(bench),
      ken.calibrated ? number_field(bench, "abstain_under", "Withhold under", { min: "0", max: "1", step: "0.05" }, "answers whose chance of being right is less than this; empty: none") : null),
    h("fieldset", {}, h("legend", {}, "Confidence"), h("ul", { class: "estimators" }, ...estimators.map((method) => estimator_box(bench, method)))));
}
