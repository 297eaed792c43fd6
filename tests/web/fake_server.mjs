// A server with the routes and shapes of ken serve and fixed answers, to draw and test the workbench without a model.
// Usage: node fake_server.mjs PAGE [--port 8090] [--key KEY] [--without lens,samples] [--slow MILLISECONDS]
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const LAYERS = 8;
const model = { id: "almanac", object: "model", max_model_len: 256, ken: { sha256: "0".repeat(64), chat_template: false, calibrated: true, n_layers: LAYERS, d_model: 256, vocab: 4096 } };

const number = (name, standard, meaning, minimum, maximum) => ({ name, default: standard, meaning, settable: true, minimum, maximum });
const choice = (name, standard, meaning, choices) => ({ name, default: standard, meaning, settable: true, choices });
const file = (meaning) => ({ name: "file", default: "", meaning, settable: true });
const control = (id, title, sentence, paper, params, null_setting) => ({ id, kind: "control", route: `/ken/steer/${id}`, title, paper, sentence, params, null_setting });
const estimator = (id, title, sentence, direction, params = []) => ({ id, kind: "confidence", route: `/ken/confidence/${id}`, title, paper: "arXiv 2302.09664", sentence, direction, params });
const samples = [number("samples", 10, "answers", 2, 100), choice("judge", "rules", "who says that two answers mean the same", ["rules", "self"])];
const methods = [
  control("cad", "Context-aware decoding (CAD)", "Decodes with and without the passage and amplifies the difference, towards the passage or towards memory.", "arXiv 2305.14739",
    [number("alpha", 1, "strength; > 0 towards the passage, < 0 towards memory, -1 is memory alone", -1, 20), number("mask", 0, "keep tokens with p >= mask * max p; 0 keeps all", 0, 1)], { alpha: 0 }),
  control("dola", "DoLa: decoding by contrasting layers", "Contrasts the model's distribution with that of the earlier layer that differs most from it.", "arXiv 2309.03883",
    [choice("layers", "high", "which half the candidates come from", ["low", "high"]), number("strength", 1, "of the earlier layer's log-probability that is subtracted", 0, 10)], { strength: 0 }),
  control("vector", "Control vectors", "Adds a direction to the stream at some layers.", "arXiv 2308.10248",
    [file("a lever's name; empty: random directions of length 1"), number("strength", 1, "times the direction", -1e6, 1e6), { name: "keep_norm", default: false, meaning: "scale each changed row back to its length", settable: true },
      { name: "token", default: "", meaning: "only rows that read this token", settable: false }, number("seed", 0, "of random directions", 0, 1e9)], { strength: 0 }),
  estimator("margin", "Margin", "How far the likeliest token is ahead of the second along the greedy answer.", "higher is surer"),
  estimator("token-entropy", "Token entropy", "The mean or largest entropy of the next-token distributions along the greedy answer, in nats.", "lower is surer"),
  estimator("semantic-entropy", "Semantic entropy", "Samples several answers, groups those that mean the same, and takes the entropy over the groups, in nats.", "lower is surer", samples),
  estimator("p-true", "P(True)", "The probability that the model calls its own greedy answer true.", "higher is surer"),
];

const towns = [" Kagard", " Tebur", " Lagard", " Degard", " the", " Labur", " Vegard"];
// Memory says Kagard; what a passage names gains with CAD's alpha.
function distribution(body) {
  const passage = (body.ken?.context ?? []).join(" "), named = /(\w+) \.\s*$/.exec(passage)?.[1];
  const cad = body.ken?.controls?.find(({ name }) => name === "cad"), push = named ? 1 + (cad ? cad.alpha ?? 1 : 0) : 0;
  const logits = new Map(towns.map((town, i) => [town, 3 - 1.1 * i]));
  if (named) logits.set(` ${named}`, 0.4 + 2.3 * push);
  const total = [...logits.values()].reduce((sum, z) => sum + Math.exp(z), 0);
  return [...logits].map(([text, z]) => ({ text, p: Math.exp(z) / total })).sort((a, b) => b.p - a.p);
}

const entry = ({ text, p }) => ({ token: text, logprob: Math.log(p), bytes: [...Buffer.from(text)] });
const scored = (list, top) => ({ ...entry(list[0]), top_logprobs: list.slice(0, top).map(entry) });
const full = (top) => scored([{ text: " .", p: 0.97 }, { text: " in", p: 0.02 }, { text: " and", p: 0.01 }], top);
const words = { "Say it at length": ["The", " quick", " brown", " f", "ox", " jumps", " over", " the", " lazy", " dog", ",", " and", " no", "body", " minds"] };

function answer(body) {
  const top = body.top_logprobs ?? 1, long = words[body.messages[0].content];
  if (long) return long.map((text, i) => scored([{ text, p: [0.95, 0.6, 0.3, 0.8, 0.99, 0.1][i % 6] }, { text: " other", p: 0.005 }], top));
  if (/unicode/.test(body.messages[0].content)) {
    const bytes = [...Buffer.from("é")].map((byte) => ({ token: `bytes:\\x${byte.toString(16)}`, logprob: Math.log(0.7), bytes: [byte], top_logprobs: [] }));
    return [{ token: " caf", logprob: Math.log(0.9), bytes: [...Buffer.from(" caf")], top_logprobs: [] }, ...bytes, full(top)];
  }
  if (/hostile/.test(body.messages[0].content)) return [scored([{ text: " <img src=x onerror=globalThis.broken=1>", p: 0.5 }, { text: "<script>globalThis.broken=1</script>", p: 0.4 }], top), full(top)];
  return [scored(distribution(body), top), full(top)];
}

const text_of = (tokens) => tokens.some(({ token }) => token.startsWith("bytes:")) ? "café" : tokens.filter(({ token }) => token !== " .").map(({ token }) => token).join("").trim();
const probability = (tokens) => Math.exp(tokens.reduce((sum, { logprob }) => sum + logprob, 0));
const entropies = (tokens) => tokens.map(({ top_logprobs }) => -top_logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob) * logprob, 0));

function source_of(body, given) {
  const memory = distribution({ ...body, ken: {} }), beside = distribution({ ...body, ken: { context: body.ken.context } }), p = (list, text) => list.find((one) => one.text === text)?.p ?? 1e-5;
  const mine = given.token, closed = memory[0].text, held = body.ken.context.join(" ").includes(mine.trim());
  const name = held ? (mine === closed ? "both" : "context") : mine === closed ? "memory" : "neither";
  return { name, closed_book_answer: closed.trim(), conflict: Math.log(p(beside, mine) / p(memory, mine)),
    probabilities: { answer: { with_context: p(beside, mine), without: p(memory, mine) }, closed_book_answer: { with_context: p(beside, closed), without: p(memory, closed) } } };
}

function whole(body, tokens) {
  const ken = { seed: 7, compute: "fast", calibrated: { confidence: 0.71, estimator: "sequence-probability" }, abstained: false };
  const scores = { margin: ["higher", 0.42], "token-entropy": ["lower", 0.613], "semantic-entropy": ["lower", 0], "p-true": ["higher", 0.88] };
  for (const one of body.ken?.confidence ?? []) {
    const id = one.name ?? one;
    if (!(id in scores)) throw [400, `ken.confidence: no estimator is called "${id}"`];
    (ken.confidence ??= {})[id] = { score: scores[id][1], direction: `${scores[id][0]} is surer` };
  }
  if (body.ken?.source) ken.source = source_of(body, tokens[0]);
  if (body.ken?.abstain_under > 0.71) ken.abstained = true;
  const content = ken.abstained ? "" : text_of(tokens);
  const knowledge = { probability: probability(tokens), token_probabilities: tokens.map(({ logprob }) => Math.exp(logprob)), entropies: entropies(tokens), notes: {} };
  return { id: "chatcmpl-1", object: "chat.completion", model: model.id, choices: [{ index: 0, message: { role: "assistant", content, refusal: null }, logprobs: { content: ken.abstained ? [] : tokens }, finish_reason: "stop", ken: knowledge }], ken };
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
async function stream(response, tokens, slow) {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const put = (json) => response.write(`data: ${typeof json === "string" ? json : JSON.stringify(json)}\n\n`);
  const parts = text_of(tokens).match(/\s?\S+/g) ?? [];
  for (const [i, token] of tokens.entries()) {
    if (response.destroyed) return;
    put({ choices: [{ index: 0, delta: { content: tokens.length < 6 ? (i === 0 ? text_of(tokens) : "") : token.token }, logprobs: { content: [token] }, finish_reason: null, ken: { token_probabilities: [Math.exp(token.logprob)] } }] });
    await wait(parts.length > 3 ? slow : slow / 4);
  }
  put({ choices: [{ index: 0, delta: {}, logprobs: { content: [] }, finish_reason: "stop", ken: { token_probabilities: [], probability: probability(tokens) } }] });
  put({ choices: [], usage: { prompt_tokens: 9, completion_tokens: tokens.length, total_tokens: 9 + tokens.length }, ken: { seed: 7, compute: "fast" } });
  put("[DONE]");
  response.end();
}

// The right token rises through the layers, most in their second half.
function lens(body) {
  const prompt = ["<s>", ...[...(body.ken?.context ?? []), body.messages[0].content].join(" ").split(/\s+/).map((word) => ` ${word}`)];
  const list = distribution(body), texts = [...prompt, list[0].text, " ."], from = prompt.length;
  const layers = Array.from({ length: LAYERS + 1 }, (_, layer) => {
    const rise = layer / LAYERS, next = texts.map((_, t) => (t + 1 < texts.length ? (t + 1 === from ? list[0].p : 0.15 + 0.6 * Math.abs(Math.sin(3 * t))) * rise ** 3 : null));
    const top = texts.map((_, t) => {
      const right = { text: texts[t + 1] ?? "</s>", probability: next[t] ?? 0.9 * rise ** 3 }, others = [" of", "'s", " old", " a", " in"].map((text, i) => ({ text, probability: (1 - right.probability) * 0.4 ** (i + 1) }));
      return [right, ...others].sort((a, b) => b.probability - a.probability).slice(0, body.params?.top ?? 5);
    });
    return { layer, name: layer ? `blocks.${layer - 1}.hook_resid_post` : "blocks.0.hook_resid_pre", top, next };
  });
  const probes = layers.flatMap(({ layer, name: point }) => ["answer", "subject"].map((place) => ({ name: `correct at ${place} of ${point}`, point, target: "correct", scores: texts.map((_, t) => 0.15 + (0.75 * layer * t) / (LAYERS * texts.length)) })));
  return { tokens: texts.map((text, id) => ({ id, text })), answer_from: from, layers, probes };
}

function sampled(body) {
  const { n = 10 } = body.params ?? {}, list = distribution(body).slice(0, 4), shares = [0.5, 0.3, 0.1, 0.1];
  const samples = Array.from({ length: n }, (_, i) => {
    let cluster = 0;
    for (let sum = shares[0]; sum <= i / n + 1e-9 && cluster < 3; sum += shares[++cluster]);
    return { text: list[cluster].text.trim() + (i % 3 === 1 ? " town" : ""), logprob: Math.log(list[cluster].p), cluster };
  });
  const clusters = list.map(({ text }, c) => ({ text: text.trim(), count: samples.filter(({ cluster }) => cluster === c).length })).filter(({ count }) => count).map((one) => ({ ...one, share: one.count / n }));
  return { samples, clusters, semantic_entropy: -clusters.reduce((sum, { share }) => sum + share * Math.log(share), 0) };
}

const read = async (request) => {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
};

export function start({ page, port = 0, key, without = [], slow = 60 }) {
  const asked = [];
  const send = (response, status, json) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json));
  const refuse = (response, status, message) => send(response, status, { error: { message, type: "invalid_request_error", param: null, code: status } });
  async function answer_to(request, response) {
    const path = new URL(request.url, "http://x").pathname;
    if (path === "/") return response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(readFileSync(page));
    if (key && request.headers.authorization !== `Bearer ${key}`) return refuse(response, 401, "wrong or missing API key; send it as Authorization: Bearer KEY");
    if (path === "/v1/models") return send(response, 200, { object: "list", data: [model] });
    if (path === "/ken/methods") return send(response, 200, { object: "list", data: methods });
    const route = { "/v1/chat/completions": "chat", "/ken/lens": "lens", "/ken/samples": "samples" }[path];
    if (!route || without.includes(route)) return refuse(response, 404, `no such route: POST ${path}; GET /openapi.json lists what there is`);
    const body = JSON.parse(await read(request));
    asked.push({ path, body });
    if (/fail/.test(body.messages?.[0]?.content)) return refuse(response, 400, "max_tokens: the prompt has 300 tokens; the model's context holds 256");
    if (route === "lens") return send(response, 200, lens(body));
    if (route === "samples") return send(response, 200, sampled(body));
    if (body.messages?.length !== 1) return refuse(response, 400, "messages: almanac has no chat template");
    if (body.ken?.controls?.[0]?.name === "cad" && !body.ken.context) return refuse(response, 400, "cad: contrasts with and without a passage; give one as ken.context");
    if (body.stream) return stream(response, answer(body), slow);
    await wait(slow / 2);
    return send(response, 200, whole(body, answer(body)));
  }
  const server = createServer((request, response) => answer_to(request, response).catch((error) => (Array.isArray(error) ? refuse(response, ...error) : refuse(response, 500, String(error)))));
  return new Promise((done) => server.listen(port, "127.0.0.1", () => done({ url: `http://127.0.0.1:${server.address().port}/`, asked, stop: () => (server.closeAllConnections(), server.close()) })));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { port: { type: "string", default: "8090" }, key: { type: "string" }, without: { type: "string", default: "" }, slow: { type: "string", default: "60" } } });
  const { url } = await start({ page: positionals[0], port: Number(values.port), key: values.key, without: values.without.split(","), slow: Number(values.slow) });
  console.log(url);
}
