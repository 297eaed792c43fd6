// The two studies a report is most easily broken by, made from the sample: a model that knows nothing, and a hostile file.
// Usage: node cases.mjs SAMPLE.json FOLDER   writes knows_nothing.json and hostile.json
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [sample, folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node cases.mjs SAMPLE.json FOLDER");
  process.exit(2);
}
const read = () => JSON.parse(readFileSync(sample, "utf8"));
const write = (name, study) => writeFileSync(join(folder, `${name}.json`), JSON.stringify(study));

const nothing = (num) => Object.assign(num, { value: null, ci: [null, null] });
const is_num = (value) => value !== null && typeof value === "object" && "metric" in value;
const each = (value, change) => {
  if (value === null || typeof value !== "object") return;
  for (const [name, item] of Object.entries(value)) is_num(item) ? change(item) : typeof item === "string" ? change.text?.(value, name) : each(item, change);
};

const empty = read(), none = (n, value = 0) => ({ value, n, ci: [value ? 0.978 : 0, value ? 1 : 0.022], metric: "accuracy" });
Object.assign(empty.recall, { overall: none(168), variants: [], claims: null, split: ["all", "0", "1-2"].map((label) => ({ label, known: none(168), half_known: none(168), unknown: none(168, 1) })) });
empty.recall.by_exposure = empty.recall.by_exposure.slice(0, 2).map((row) => ({ ...row, accuracy: none(84), confidence: none(84), examples: row.examples.filter((item) => item.verdict === "wrong") }));
empty.recall.by_relation = empty.recall.by_relation.map((row) => ({ ...row, accuracy: none(24), examples: row.examples.filter((item) => item.verdict === "wrong") }));
empty.recall.examples = empty.recall.examples.filter((item) => item.verdict === "wrong");
empty.recall.wrong = empty.recall.wrong.map((row, i) => ({ ...row, share: none(168, i === 3 ? 1 : 0), examples: i === 3 ? row.examples : [] }));
empty.certainty = { calibration: null, scores: empty.certainty.scores.slice(0, 3).map((score) => ({ ...score, auroc: nothing(score.auroc), aurc: nothing(score.aurc), ece: null, brier: null, reliability: [], risk_coverage: [] })), advice: null, temperature: null, examples: [] };
empty.conflict = null;
empty.probes = empty.levers = [];
empty.findings = [{ id: "knows-nothing", kind: "bad", text: "The model answers 0 % of 168 questions rightly: it does not know these facts.", advice: "Do not use its answers to such questions; give it passages to read, or another model." }];
write("knows_nothing", empty);

// Every number null, every text a script or one very long word; the page may say little, but must neither break nor obey.
const EVIL = `</script><script>globalThis.broken=1</script><img src=x onerror="globalThis.broken=1">`, LONG = "Donaudampfschiffahrt".repeat(12);
const KEPT = new Set(["schema", "kind", "verdict", "surer", "id", "score", "seed", "sha256", "form"]);
let turn = 0;
const spoil = nothing.bind(null);
spoil.text = (owner, name) => KEPT.has(name) || (owner[name] = `${turn++ % 2 ? EVIL : LONG} ${turn}`);
const hostile = read();
each(hostile, spoil);
Object.assign(hostile.facts, { relations: [EVIL, LONG], questions: { value: 0, n: 0, ci: [null, null], metric: "count" } });
write("hostile_null", hostile);

// The same texts with the numbers left in, so that every picture is drawn.
const drawn = read(), keep = () => {};
keep.text = spoil.text;
each(drawn, keep);
for (const probe of drawn.probes) probe.layers = probe.layers.map((layer) => `${LONG}${layer}`), probe.positions = probe.positions.map((name) => `${EVIL}${name}`);
write("hostile", drawn);
