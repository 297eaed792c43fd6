// Many answers to one question, put together by meaning: how far the model agrees with itself.
import { h, note } from "../dom";
import { known, number } from "../format";
import { post, type Cluster, type Param, type Sample, type SamplesReply, type Value } from "./api";
import { asked, estimators_of, panel_element, Runner, type Bench, type Panel } from "./bench";
import { small } from "./bars";
import { field } from "./params";

const STANDARD: Param[] = [
  { name: "n", default: 10, meaning: "answers", settable: true, minimum: 2, maximum: 40 },
  { name: "temperature", default: 1, meaning: "of the draws; higher scatters more", settable: true, minimum: 0.1, maximum: 2 },
  { name: "judge", default: "rules", meaning: "who says that two answers mean the same", settable: true, choices: ["rules"] },
];

// Who can judge is what semantic entropy's own card says.
function params_of(bench: Bench): Param[] {
  const judges = estimators_of(bench).find(({ id }) => id === "semantic-entropy")?.params.find(({ name }) => name === "judge")?.choices;
  return STANDARD.map((param) => (param.name === "judge" && judges?.length ? { ...param, choices: judges } : param));
}

// Each wording once, with how often it was given.
function wordings(samples: Sample[]): HTMLElement {
  const times = new Map<string, Sample[]>();
  for (const sample of samples) times.set(sample.text.trim(), [...(times.get(sample.text.trim()) ?? []), sample]);
  return h("ul", { class: "wordings" }, ...[...times].map(([text, same]) => {
    const logprob = same[0]!.logprob, probability = known(logprob) ? `, probability ${small(Math.exp(logprob))}` : "";
    return h("li", {}, text || "(empty)", h("span", { class: "note" }, ` ${same.length} ×${probability}`));
  }));
}

function cluster_part({ text, share, count }: Cluster, samples: Sample[], all: number): HTMLElement {
  const bar = h("span", { class: "mini-track" }, h("span", { class: "mini-fill", style: `width:${(100 * share).toFixed(2)}%;background:var(--blue)` }));
  return h("details", { class: "cluster" }, h("summary", {}, h("span", { class: "mini" },
    h("span", { class: "mini-label" }, text.trim() || "(empty)"), bar, h("span", { class: "mini-value" }, `${number(share, "rate")} · ${count} of ${all}`))), wordings(samples));
}

export class SamplesPanel implements Panel {
  readonly id = "samples";
  readonly name = "Samples";
  readonly action = "Sample";
  readonly element: HTMLElement;
  private readonly out = h("div", { class: "out", "aria-live": "polite" });
  private readonly values: Record<string, Value> = {};
  private readonly runner: Runner;
  private timer = 0;

  constructor(private readonly bench: Bench) {
    const fields = params_of(bench).map((param) => {
      this.values[param.name] = param.default;
      return field({ param, value: param.default, change: (value) => this.set(param.name, value) });
    });
    this.element = panel_element("samples",
      h("p", { class: "answer" }, "The same question, answered again and again. Answers that mean the same are put together: few groups say that the model knows, many that it guesses."),
      h("div", { class: "fields across" }, ...fields), this.out);
    this.runner = new Runner(bench, this.out);
  }

  private set(name: string, value: Value): void {
    this.values[name] = value;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.run(), 400);
  }

  run(): Promise<void> {
    clearTimeout(this.timer);
    if (!this.bench.view.question.trim()) {
      this.out.replaceChildren(note("Ask something first."));
      return Promise.resolve();
    }
    return this.runner.run(async (signal) => {
      this.draw(await post<SamplesReply>("ken/samples", { ...asked(this.bench, {}), params: this.values }, signal));
    });
  }

  private draw({ samples, clusters, semantic_entropy }: SamplesReply): void {
    const numbered = clusters.map((cluster, i) => ({ cluster, own: samples.filter((sample) => sample.cluster === i) })).sort((a, b) => b.cluster.share - a.cluster.share);
    const meanings = clusters.length === 1 ? "one meaning" : `${clusters.length} meanings`;
    this.out.replaceChildren(
      h("ul", { class: "figures" },
        h("li", {}, h("h4", {}, "Semantic entropy"), h("strong", {}, number(semantic_entropy, "ratio").replace("under ", "< ")), h("small", {}, `nats; 0 where all mean the same, ${number(Math.log(Math.max(1, samples.length)), "ratio")} where no two do.`)),
        h("li", {}, h("h4", {}, "Meanings"), h("strong", {}, String(clusters.length)), h("small", {}, `among ${samples.length} answers.`))),
      h("h3", {}, `${samples.length} answers, ${meanings}`), h("div", { class: "clusters" }, ...numbered.map(({ cluster, own }) => cluster_part(cluster, own, samples.length))),
      h("p", { class: "hint" }, "Press a bar for the answers in it."));
  }
}
