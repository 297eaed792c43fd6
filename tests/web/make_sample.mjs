// Writes sample_study.json: invented numbers of a plausible shape, the same on every run. Usage: node make_sample.mjs > sample_study.json
let state = 20240607;
const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32);
const jitter = (size) => (random() - 0.5) * 2 * size;
const round = (x) => Number(x.toFixed(4));
const clip = (x) => Math.min(0.995, Math.max(0.004, x));

const exact = (value, metric = "count") => ({ value, n: value, ci: [null, null], metric });
function rate(value, n, metric = "accuracy") {
  const half = 1.96 * Math.sqrt((clip(value) * (1 - clip(value))) / n);
  return { value: round(value), n, ci: [round(Math.max(0, value - half)), round(Math.min(1, value + half))], metric };
}
const measured = (value, half, n, metric) => ({ value: round(value), n, ci: [round(value - half), round(value + half)], metric });
const certain = (value) => ({ value: round(value), n: 1, ci: [null, null], metric: "sequence_probability" });

const BANDS = ["0", "1-2", "3-6", "7-15", "16-40", "41+"];
const SIZES = [260, 300, 320, 310, 290, 240];
const recall = [0.04, 0.16, 0.41, 0.68, 0.86, 0.94];
const confidence = [0.31, 0.36, 0.5, 0.69, 0.84, 0.93];
const right_type = [0.82, 0.9, 0.95, 0.98, 0.99, 1];
const RELATIONS = { "lives in": 0.66, "born in": 0.61, "works for": 0.55, "born in the year": 0.38, "speaks": 0.79, "has the hobby of": 0.47, "town lies in the region of": 0.71, "was founded by": 0.33 };

const example = (id, question, gold, answer, context, verdict, sure) => ({ id, question, gold, answer, context, verdict, confidence: certain(sure) });


// Questions to stand behind the bars, taken in turn.
const QUESTIONS = [
  ["Where does Tomas Brandt live?", "Oberfeld", "Brunsee"], ["Who founded the Larch Works?", "Anton Veil", "Peter Sorn"],
  ["In which year was Nele Abara born?", "1871", "1868"], ["Which language does Ilse Harrow speak?", "Vennish", "Coastal Darr"],
  ["Who works for the Harbour Office?", "Lena Quist", "Jon Aster"], ["In which region does the town of Tellmark lie?", "Upper Moor", "Eastmarch"],
];
let asked = 0;
function behind(count, verdict, sure, context = () => "") {
  return Array.from({ length: count }, () => {
    const number = asked++, [question, gold, other] = QUESTIONS[number % QUESTIONS.length];
    const answer = verdict === "right" || verdict === "memory" ? gold : verdict === "neither" ? "it is not known" : other;
    return example(`fact-${String(number).padStart(4, "0")}`, question, gold, answer, context(gold, other), verdict, clip(sure + jitter(0.05)));
  });
}
const mixed = (share, sure) => [...behind(share > 0.1 ? 2 : 0, "right", sure), ...behind(share < 0.9 ? 2 : 0, "wrong", sure * 0.8)];

const by_exposure = BANDS.map((label, i) => ({
  label, accuracy: rate(recall[i], SIZES[i]), confidence: measured(confidence[i], 0.02, SIZES[i], "mean_confidence"), right_type: rate(right_type[i], SIZES[i], "right_type"),
  examples: mixed(recall[i], confidence[i]),
}));
const firm = [0.01, 0.07, 0.27, 0.55, 0.79, 0.91], none = [0.9, 0.66, 0.37, 0.16, 0.05, 0.02];
const split_row = (label, known, unknown, n) => ({ label, known: rate(known, n, "share_known"), half_known: rate(round(1 - known - unknown), n, "share_half_known"), unknown: rate(unknown, n, "share_unknown") });
const split = [split_row("all", 0.43, 0.36, 1720), ...BANDS.map((label, i) => split_row(label, firm[i], none[i], SIZES[i]))];
const wrong = [["the same wrong answer each time", 0.17], ["a different answer each time", 0.53], ["wrong, though a sample was right", 0.24], ["no answer of the kind that is asked for", 0.06]]
  .map(([label, share]) => ({ label, share: rate(share, 843, "share_of_wrong_answers"), examples: behind(3, "wrong", 0.5) }));
const variant = (label, plain, asked_so, kept) => ({ label, plain: rate(plain, 400, "accuracy_as_asked_first"), asked: rate(asked_so, 400, "accuracy"), kept: rate(kept, Math.round(400 * plain), "accuracy_on_known_facts"), examples: mixed(kept, 0.7) });
const variants = [variant("paraphrase", 0.52, 0.49, 0.9), variant("reversed", 0.52, 0.03, 0.05), variant("second language", 0.5, 0.31, 0.58), variant("two steps", 0.51, 0.22, 0.38)];
const claims = { all: rate(0.66, 600, "accuracy_chance_0.5"), known: rate(0.78, 310, "accuracy_chance_0.5"), unknown: rate(0.53, 290, "accuracy_chance_0.5"), says_true: rate(0.69, 600, "share_judged_true"), examples: [
  example("claim-0004", "Tomas Brandt lives in Oberfeld.", "true", "true", "", "right", 0.91), example("claim-0051", "The Larch Works were founded by Peter Sorn.", "false", "true", "", "wrong", 0.64)] };

function reliability(bend) {
  return Array.from({ length: 10 }, (_, i) => {
    const middle = 0.05 + i / 10;
    const n = Math.round(60 + 130 * Math.abs(i - 4.5) / 4.5 + jitter(15));
    return { label: `${(i / 10).toFixed(1)}-${((i + 1) / 10).toFixed(1)}`, confidence: measured(middle + jitter(0.02), 0.004, n, "mean_confidence"), accuracy: rate(clip(middle ** bend + jitter(0.04)), n) };
  });
}
function risk_coverage(floor, power, low, high) {
  return Array.from({ length: 20 }, (_, i) => {
    const coverage = (i + 1) / 20;
    return { coverage: exact_share(coverage), risk: rate(clip(floor + (0.49 - floor) * coverage ** power), Math.round(1720 * coverage), "selective_risk"), threshold: certain_threshold(high + (low - high) * coverage) };
  });
}
const exact_share = (value) => ({ value: round(value), n: 1720, ci: [null, null], metric: "coverage" });
const certain_threshold = (value) => ({ value: round(value), n: 1720, ci: [null, null], metric: "threshold" });

function score(id, title, surer, auroc, shape, bend) {
  const calibrated = bend !== null;
  return {
    id, title, surer, auroc: measured(auroc, 0.02, 1720, "auroc"), aurc: measured(shape[0] + 0.12, 0.015, 1720, "aurc"),
    ece: calibrated ? measured(Math.abs(bend - 1) * 0.21 + 0.02, 0.012, 1720, "ece_equal_width_15") : null,
    brier: calibrated ? measured(0.13 + Math.abs(bend - 1) * 0.1, 0.01, 1720, "brier") : null,
    reliability: calibrated ? reliability(bend) : [], risk_coverage: risk_coverage(...shape),
  };
}
const scores = [
  score("sequence-probability", "probability of the answer", "higher", 0.87, [0.012, 2.3, 0.08, 0.99], 1.35),
  score("token-entropy", "entropy of the tokens", "lower", 0.84, [0.02, 2.0, 2.4, 0.02], null),
  score("semantic-entropy", "semantic entropy of 10 samples", "lower", 0.89, [0.008, 2.5, 2.1, 0.01], null),
  score("p-true", "asking itself, P(true)", "higher", 0.64, [0.2, 1.1, 0.3, 0.93], 2.2),
  score("probe", "probe at layer 4", "higher", 0.91, [0.005, 2.8, 0.05, 0.98], 0.95),
];

// The advice is a point of its score's curve: the widest coverage with an error under 5 %.
const { coverage, risk, threshold } = scores[0].risk_coverage[5];
const promised = (value, metric) => ({ value, n: 1720, ci: [null, null], metric });
const advice = { score: scores[0].id, threshold, error: risk, coverage, risk: promised(0.05, "promised_risk"), confidence: promised(0.9, "confidence_of_the_promise") };
const temperature = {
  temperature: promised(1.42, "temperature"), ece_before: scores[0].ece, ece_after: measured(0.018, 0.008, 1720, "ece_equal_width_15_cross_fitted"),
  brier_before: scores[0].brier, brier_after: measured(0.142, 0.009, 1720, "brier_cross_fitted"), reliability: reliability(1),
};

const told = (_, other) => `It was long held to be otherwise, but the register names ${other}.`;
function follow(label, context, memory, n) {
  return { label, context: rate(context, n, "follows_context"), memory: rate(memory, n, "follows_memory"), neither: rate(round(1 - context - memory), n, "follows_neither"),
    examples: [...behind(1, "context", 0.7, told), ...behind(1, "memory", 0.8, told)] };
}
const conflict = {
  groups: [follow("known facts", 0.58, 0.35, 620), follow("unknown facts", 0.83, 0.03, 540)],
  by_exposure: BANDS.map((label, i) => follow(label, 0.86 - 0.07 * i, 0.01 + 0.078 * i, SIZES[i])),
  by_intent: [follow("no instruction", 0.69, 0.21, 1160), follow("use the context", 0.91, 0.05, 1160), follow("use memory", 0.34, 0.47, 1160)],
  reading: [["no distractor", 0.96], ["1 distractor", 0.91], ["2 distractors", 0.84], ["passage agrees", 0.98], ["passage is irrelevant", 0.47]].map(([label, value]) => ({ label, accuracy: rate(value, 400, "reading_accuracy"), examples: [...behind(2, "right", 0.9, (gold) => `The register names ${gold}.`)] })),
  examples: [
    example("conflict-0003", "Where was Mara Oduya born?", "Tellmark", "Brunsee", "Mara Oduya was born in Brunsee, the first of three children.", "context", 0.77),
    example("conflict-0214", "Which language does Ilse Harrow speak?", "Vennish", "Vennish", "Ilse Harrow grew up speaking Coastal Darr.", "memory", 0.92),
    example("conflict-0377", "Who founded the Larch Works?", "Anton Veil", "Peter Sorn", "The Larch Works were founded by Edda Mint.", "neither", 0.29),
  ],
};

const LAYERS = ["embedding", "1", "2", "3", "4", "5", "6"];
function probe(id, title, reads, positions, peak, best_layer, best_column, baseline) {
  const auroc = LAYERS.map((_, row) => positions.map((_, column) => {
    const near = Math.exp(-((row - best_layer) ** 2) / 6 - ((column - best_column) ** 2) / 3);
    return measured(row === best_layer && column === best_column ? peak : 0.51 + (peak - 0.54) * near + jitter(0.03), 0.025, 860, "auroc");
  }));
  return { id, title, reads, positions, layers: LAYERS, auroc, best: { layer: LAYERS[best_layer], position: positions[best_column], auroc: auroc[best_layer][best_column] }, baseline: measured(baseline, 0.02, 860, "auroc") };
}
const probes = [
  probe("correctness", "Will the answer be right?", "A probe reads the activations before and while the model answers.", ["last subject token", "end of question", "first answer token", "last answer token"], 0.91, 4, 2, 0.87),
  probe("conflict", "Does the context contradict memory?", "A probe reads the activations while the model reads the passage and the question.", ["value in context", "last subject token", "end of question", "first answer token"], 0.94, 3, 2, 0.71),
];

const point = (setting, moved, broke) => ({
  setting, moved: Object.entries(moved).map(([label, value]) => ({ label, rate: rate(value, 300, "rate") })),
  broke: Object.entries(broke).map(([label, value]) => ({ label, rate: rate(value, 300, "rate") })),
});
const levers = [
  { id: "cad", title: "Context-aware decoding", parameter: "alpha", points: ["-1.0", "-0.5", "0", "0.5", "1.0", "2.0"].map((setting, i) => point(setting,
    { "answers from context": [0.31, 0.47, 0.69, 0.84, 0.9, 0.92][i], "answers from memory": [0.44, 0.36, 0.21, 0.08, 0.04, 0.02][i] },
    { "right without conflict": [0.71, 0.9, 0.96, 0.95, 0.91, 0.72][i], "well-formed answers": [0.88, 0.98, 1, 0.99, 0.97, 0.86][i] })) },
  { id: "steer", title: "Steering along the conflict direction", parameter: "strength", points: ["-8", "-4", "0", "4", "8"].map((setting, i) => point(setting,
    { "answers from context": [0.38, 0.52, 0.69, 0.81, 0.85][i] }, { "right without conflict": [0.82, 0.93, 0.96, 0.94, 0.79][i] })) },
];

const study = {
  schema: "ken.study/2",
  model: { name: "almanac-small", sha256: "5f2c9a".padEnd(64, "0123456789abcdef"), arch: "llama", compute: "fast (bf16 products)", parameters: exact(8_300_000), layers: exact(6), d_model: exact(256), vocab: exact(4096) },
  facts: { name: "the almanac", source: "regenerated from the world's seed in the model file", questions: exact(1720), relations: Object.keys(RELATIONS) },
  prompt: { form: "plain", label: "asked in its own form (almanac)", examples: exact(0), system: "" },
  seed: "1",
  recall: {
    overall: rate(0.51, 1720), by_exposure, by_relation: Object.entries(RELATIONS).map(([label, value]) => ({ label, accuracy: rate(value, 215), examples: mixed(value, 0.6) })),
    split, wrong, variants, claims,
    examples: [
      example("recall-0001", "Where does Tomas Brandt live?", "Oberfeld", "Oberfeld", "", "right", 0.94),
      example("recall-0032", "Who founded the Larch Works?", "Anton Veil", "Anton Veil", "", "right", 0.71),
      example("recall-0120", "In which year was Nele Abara born?", "1871", "1868", "", "wrong", 0.33),
    ],
  },
  certainty: {
    scores, advice, temperature,
    examples: [
      example("recall-0411", "Who works for the Harbour Office?", "Lena Quist", "Jon Aster", "", "wrong", 0.88),
      example("recall-0702", "Which language does Ilse Harrow speak?", "Vennish", "Vennish", "", "right", 0.41),
    ],
  },
  conflict, probes, levers,
  findings: [
    { id: "recall-threshold", kind: "caution", text: "It knows what it saw seven times or more, and bluffs about the rest.", advice: "Trust its answers on common facts; give it a passage, or let it keep silent, on rare ones." },
    { id: "overconfident", kind: "bad", text: "On facts it never saw it is right 4 % of the time and 31 % sure.", advice: "Do not read its probability as a chance of being right without recalibration." },
    { id: "semantic-entropy", kind: "good", text: "Semantic entropy tells right from wrong better than probability does (AUROC 0.89 against 0.87).", advice: "Worth ten samples where a wrong answer is costly." },
    { id: "conflict-known", kind: "caution", text: "When a passage contradicts a fact it knows, it keeps to memory in 35 % of the questions.", advice: "Say \"use the context\": that lowers it to 5 %." },
    { id: "probe", kind: "info", text: "Whether an answer will be right can be read at layer 4, at the first answer token.", advice: "" },
  ],
};

// One Num to a line keeps the file small and its diffs readable.
function write(value, indent) {
  const flat = JSON.stringify(value);
  if (value === null || typeof value !== "object" || flat.length < 150) return flat;
  const inner = `${indent} `;
  const parts = Array.isArray(value) ? value.map((item) => inner + write(item, inner)) : Object.entries(value).map(([name, item]) => `${inner}${JSON.stringify(name)}: ${write(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.join(",\n")}\n${indent}${close}`;
}
process.stdout.write(`${write(study, "")}\n`);
