// Drives the workbench in a headless browser and fails where a reader would notice.
// Usage: node workbench_check.mjs WORKBENCH.html [--server URL] [--study STUDY.json] [--shots DIR]
// Without --server a server of fixed answers stands behind the page; with it, that one does (the page is still the given file).
import { readFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { start } from "./fake_server.mjs";

const { chromium } = createRequire(new URL("../../web/package.json", import.meta.url))("playwright-core");
const { values, positionals } = parseArgs({ allowPositionals: true, options: { server: { type: "string" }, shots: { type: "string" }, study: { type: "string", default: new URL("sample_study.json", import.meta.url).pathname } } });
if (positionals.length !== 1) {
  console.error("usage: node workbench_check.mjs WORKBENCH.html [--server URL] [--study STUDY.json] [--shots DIR]");
  process.exit(2);
}
const file = positionals[0], fake = !values.server;

let failed = false;
function check(name, ok, detail) {
  console.log(`${ok ? "ok  " : "FAIL"} ${name}${detail ? `: ${detail}` : ""}`);
  if (!ok) failed = true;
}

// The given page before a real server.
function before(url) {
  const server = createServer((request, response) => {
    if (new URL(request.url, url).pathname === "/") return response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(readFileSync(file));
    const { host, connection, ...headers } = request.headers;
    const onward = forward(new URL(request.url, url), { method: request.method, headers, agent: false }, (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done({ url: `http://127.0.0.1:${server.address().port}/`, asked: [], stop: () => (server.closeAllConnections(), server.close()) })));
}

const server = fake ? await start({ page: file }) : await before(values.server);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--disable-component-update", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
const complaints = [], elsewhere = [];

async function open(url, hash = "", size = { width: 1280, height: 900 }) {
  const page = await browser.newPage({ viewport: size });
  // What the server refuses on purpose is told by the browser, too.
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && !/Failed to load resource.*40[014]/.test(message.text()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => !request.url().startsWith(url) && !/^(data|about):/.test(request.url()) && elsewhere.push(request.url()));
  await page.goto(url + hash);
  return page;
}
const wait = (page, selector) => page.locator(selector).first().waitFor({ timeout: 20000 });
const idle = async (page) => {
  await page.waitForFunction(() => !document.querySelector('.panel-body:not([hidden]) [aria-busy="true"]'), null, { timeout: 60000 });
  await page.waitForTimeout(250);
};
const text = async (page, selector) => ((await page.locator(selector).first().textContent()) ?? "").trim();
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const shot = async (page, name) => values.shots && page.screenshot({ path: join(values.shots, `${name}.png`), fullPage: true });
const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.className || document.activeElement?.tagName);

const QUESTION = "where was Tata Fanek born ?", DOCUMENT = "Tata Fanek was born in Tebur .";
const view = (tab) => `#${new URLSearchParams({ tab, question: QUESTION, documents: DOCUMENT, control: "cad" })}`;

async function ask() {
  const page = await open(server.url);
  await wait(page, ".example");
  check("the model is named", (await text(page, "h1")).length > 0, await text(page, "h1"));
  check("the question has the focus", (await focused(page)) === "question");
  await shot(page, "start");
  await page.locator(".example").nth(1).click();
  await wait(page, ".source");
  await idle(page);
  const shown = page.locator(".written").first().locator(".token:not(.ending)");
  check("an example is asked with a click", (await shown.count()) > 0, await text(page, ".written .tokens"));
  check("every token has a colour of its probability", await page.evaluate(() => [...document.querySelectorAll(".tokens .token")].every((token) => /doubt-[0-4]/.test(token.className))));
  check("the answer from memory stands beside it", (await page.locator(".written").count()) === 2);
  check("its source is told", /from (memory|the documents|both|neither)/.test(await text(page, ".tag")), await text(page, ".tag"));
  check("with the evidence", (await page.locator(".source .mini").count()) >= 2 && /%/.test(await text(page, ".source .mini-value")));
  check("probability and confidence", (await page.locator(".figures li").count()) >= 3, (await page.locator(".figures li strong").allTextContents()).join(", "));
  await shown.first().hover();
  check("pointing at a token tells what else could have stood there", (await page.locator("#tip .mini").count()) > 1 && /entropy/.test(await text(page, "#tip")));
  await shot(page, "ask");
  await page.mouse.move(5, 5);
  const hash = new URLSearchParams(new URL(page.url()).hash.slice(1));
  check("the address holds the view", hash.get("question") === (await page.inputValue("#question")) && hash.get("documents") === (await page.inputValue("#documents")));
  await page.fill("#documents", "");
  await page.fill("#question", "who is Nobody ?");
  await page.locator("#question").press("Enter");
  await idle(page);
  check("without documents there is one answer and no source", (await page.locator(".written").count()) === 1 && (await page.locator(".source").count()) === 0);
  await page.locator("summary", { hasText: "How it is asked" }).click();
  if (fake) {
    await page.getByLabel("P(True)").check();
    await page.fill("#option-abstain_under", "0.9");
    await page.fill("#documents", "one\n\n\ntwo");
    await page.locator("#documents").press("Control+Enter");
    await idle(page);
    const body = server.asked.filter(({ body }) => body.ken?.confidence).at(-1).body;
    check("estimators are chosen", body.ken.confidence.includes("p-true") && /P\(True\)/.test(await page.locator(".figures").textContent()));
    check("a paragraph is a passage", body.ken.context.join("|") === "one|two");
    check("an answer that is too doubtful is withheld", body.ken.abstain_under === 0.9 && /Withheld/.test(await text(page, ".written")) && (await page.locator(".tokens .token, .source").count()) === 0);
  }
  await shot(page, "options");
  await page.close();
}

async function steer() {
  const page = await open(server.url, view("steer"));
  await wait(page, "#panel-steer .tokens");
  await idle(page);
  const after = () => text(page, "#panel-steer .written:nth-child(2) .tokens");
  await page.locator("#param-alpha-slider").fill("0");
  await page.waitForTimeout(400);
  await idle(page);
  const [before, same] = [await text(page, "#panel-steer .written .tokens"), await after()];
  check("a null setting changes nothing", before === same, `${before} | ${same}`);
  await page.locator("#param-alpha-slider").fill("2");
  await page.waitForTimeout(400);
  await idle(page);
  check("a slider changes the answer", (await after()) !== before, `${before} -> ${await after()}`);
  check("the address holds the control", /control=cad&cad.alpha=2/.test(page.url()));
  check("the picture has a line for each answer", (await page.locator("#panel-steer .key li").count()) >= 2 && (await page.locator("#panel-steer svg [aria-label='line'] path").count()) >= 2);
  await shot(page, "steer");
  await page.locator("#control").selectOption("dola");
  await page.waitForTimeout(300);
  await idle(page);
  check("another control has its own fields", (await page.locator("#param-layers").count()) === 1 && (await page.locator("#param-alpha").count()) === 0);
  await page.locator("#param-layers").selectOption("low");
  await page.waitForTimeout(400);
  await idle(page);
  check("a choice is sent", /dola.layers=low/.test(page.url()) && (await page.locator("#panel-steer .complaint").count()) === 0);
  await page.close();
}

async function inside() {
  const page = await open(server.url, view("inside"));
  await wait(page, ".map td[aria-selected]");
  const chosen = () => page.evaluate(() => [...document.querySelectorAll(".map td")].findIndex((cell) => cell.hasAttribute("aria-selected")));
  check("a cell is coloured and says a token", await page.evaluate(() => [...document.querySelectorAll(".map td")].every((cell) => cell.textContent && cell.style.background.includes("color-mix"))));
  const head = await text(page, ".cell h3");
  await shot(page, "inside");
  await page.locator(".map tbody tr").nth(2).locator("td").nth(3).click();
  check("a click tells a cell's tokens", (await text(page, ".cell h3")) !== head && (await page.locator(".cell .mini").count()) > 1, await text(page, ".cell h3"));
  const at = await chosen();
  await page.keyboard.press("ArrowRight");
  check("an arrow key goes on", (await chosen()) === at + 1);
  await page.keyboard.press("ArrowUp");
  check("and up a layer", (await chosen()) < at);
  check("one cell is a stop of the Tab key", (await page.locator(".map td[tabindex='0']").count()) === 1);
  if (await page.locator("#reading").count()) {
    await page.locator("#reading").selectOption({ index: 1 });
    check("probes have a map of their own", /%/.test(await text(page, ".map td")) && /The probe gives/.test(await text(page, ".cell")));
    await shot(page, "inside-probe");
  } else check("no probes", !fake);
  await page.locator("#map-steered").check();
  await idle(page);
  check("the map can be steered", (await page.locator(".map").count()) === 1);
  await page.close();
}

async function samples() {
  const page = await open(server.url, view("samples"));
  await wait(page, ".cluster");
  const shares = (await page.locator(".cluster .mini-value").allTextContents()).map((share) => Number(/of|·\s*(\d+)/.exec(share)[1]));
  check("samples by meaning", shares.reduce((sum, n) => sum + n, 0) === 10, shares.join(" + "));
  check("semantic entropy", /^(<\s*)?\d/.test(await text(page, ".panel-body:not([hidden]) .figures strong")), await text(page, ".panel-body:not([hidden]) .figures strong"));
  await page.locator(".cluster summary").first().focus();
  await page.keyboard.press("Enter");
  check("a bar opens its answers", (await page.locator(".cluster[open] .wordings li").allTextContents()).reduce((sum, line) => sum + Number(/(\d+) ×/.exec(line)[1]), 0) === shares[0]);
  await shot(page, "samples");
  await page.close();
}

async function report() {
  const page = await open(server.url, "#tab=report");
  await wait(page, "#report-file");
  await shot(page, "report-empty");
  const study = readFileSync(values.study, "utf8"), before = server.asked.length;
  await page.setInputFiles("#report-file", { name: "study.json", mimeType: "application/json", buffer: Buffer.from(study) });
  await wait(page, ".report figure .picture");
  check("a study is drawn", (await page.locator(".report figure").count()) >= 8, `${await page.locator(".report figure").count()} figures`);
  await page.locator(".report nav a").nth(2).click();
  await page.waitForTimeout(200);
  check("its contents scroll and leave the address", /#tab=report$/.test(page.url()) && (await page.evaluate(() => scrollY)) > 400);
  await shot(page, "report");
  const html = `<html><body><script>globalThis.broken = 1</script><script id="study-data" type="application/json">${study.replaceAll("<", "\\u003c")}</script></body></html>`;
  await page.setInputFiles("#report-file", { name: "report.html", mimeType: "text/html", buffer: Buffer.from(html) });
  await page.waitForTimeout(500);
  check("a report.html, too, without running it", (await page.locator(".report figure").count()) >= 8 && !(await page.evaluate(() => "broken" in globalThis)));
  await page.setInputFiles("#report-file", { name: "x.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await wait(page, ".report .complaint");
  check("another file is refused", /This page reads ken\.study/.test(await text(page, ".report .complaint")));
  check("nothing was sent", server.asked.length === before);
  await page.close();
}

async function keyboard() {
  const page = await open(server.url);
  await wait(page, ".example");
  await page.keyboard.type(QUESTION);
  await page.keyboard.press("Tab");
  await page.keyboard.type(DOCUMENT);
  await page.keyboard.press("Control+Enter");
  await wait(page, ".tokens .token");
  await idle(page);
  const tab_to = async (wanted) => {
    for (let i = 0; i < 60; ++i) {
      if (await page.evaluate((selector) => document.activeElement?.matches(selector), wanted)) return true;
      await page.keyboard.press("Tab");
    }
    return false;
  };
  check("a token is reached with Tab", await tab_to(".token"));
  check("and shows what it could have been", !(await page.locator("#tip").isHidden()));
  check("focus is seen", (await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)) !== "none");
  await page.keyboard.press("Escape");
  check("Escape takes the tip away", await page.locator("#tip").isHidden());
  await page.locator("#documents").focus();
  check("the tabs are reached", await tab_to("[role=tab]"));
  await page.keyboard.press("ArrowRight");
  check("an arrow key opens the next panel", (await page.locator("#panel-steer").isVisible()) && (await focused(page)) === "tab-steer");
  await idle(page);
  check("a slider is reached and moved", await tab_to("#param-alpha-slider"));
  const old = await page.inputValue("#param-alpha");
  await page.keyboard.press("ArrowRight");
  check("its number goes along", (await page.inputValue("#param-alpha")) !== old);
  await idle(page);
  await page.locator("#tab-steer").focus();
  await page.keyboard.press("ArrowRight");
  await wait(page, ".map td[aria-selected]");
  check("a cell of the map is reached", await tab_to(".map td"));
  await page.keyboard.press("PageDown");
  check("and left for the first layer", /embedding/.test(await text(page, ".cell h3")));
  await page.close();
}

async function refusals() {
  const other = await start({ page: file, key: "right", without: ["lens", "samples"], slow: 150 });
  const page = await open(other.url);
  await wait(page, "#api-key");
  await shot(page, "key");
  await page.fill("#api-key", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /does not take/.test(document.body.textContent));
  check("a wrong key is asked for again", true);
  await page.fill("#api-key", "right");
  await page.keyboard.press("Enter");
  await wait(page, ".example");
  check("the key stays in this tab alone", await page.evaluate(() => localStorage.length === 0 && sessionStorage.length === 1 && !location.href.includes("right")));
  await page.fill("#question", "Say it at length");
  await page.keyboard.press("Enter");
  await wait(page, ".tokens .token:nth-child(3)");
  await shot(page, "streaming");
  await page.getByRole("button", { name: "Stop" }).click();
  await wait(page, ".stopped");
  const n = await page.locator(".tokens .token").count();
  await page.waitForTimeout(500);
  check("Stop ends a stream", n < 15 && (await page.locator(".tokens .token").count()) === n, `after ${n} tokens`);
  for (const [tab, route] of [["inside", "/ken/lens"], ["samples", "/ken/samples"]]) {
    await page.locator(`#tab-${tab}`).click();
    await wait(page, `#panel-${tab} .complaint`);
    check(`a server without ${route} is said so`, (await text(page, `#panel-${tab} .complaint`)).includes(route));
  }
  await page.locator("#tab-ask").click();
  await page.fill("#question", "fail");
  await page.locator("#question").press("Enter");
  await wait(page, "#panel-ask .complaint");
  check("an error is told in the server's words", /context holds 256/.test(await text(page, "#panel-ask .complaint")));
  await shot(page, "error");
  await page.fill("#question", "unicode ?");
  await page.locator("#question").press("Enter");
  await page.waitForFunction(() => document.querySelector(".tokens")?.textContent.startsWith("café"));
  await idle(page);
  check("a letter of two tokens is one", (await page.locator(".tokens .token:not(.ending)").count()) === 2);
  await page.fill("#question", "hostile ?");
  await page.locator("#question").press("Enter");
  await page.waitForFunction(() => document.querySelector(".tokens")?.textContent.startsWith("<img"));
  await idle(page);
  await page.locator(".tokens .token").first().hover();
  check("a model's text is text", !(await page.evaluate(() => "broken" in globalThis || document.querySelector("#workbench img, #tip script"))));
  other.stop();
  await page.fill("#question", "again ?");
  await page.locator("#question").press("Enter");
  await page.waitForFunction(() => /does not answer/.test(document.querySelector("#panel-ask .complaint")?.textContent ?? ""));
  check("a server that went away is said so", true);
  complaints.splice(0, complaints.length, ...complaints.filter((line) => !/ERR_(CONNECTION|EMPTY|INCOMPLETE)/.test(line)));
  await page.close();
}

// Runs in the page: texts a reader could not read on a phone.
function small_texts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
  for (let node; (node = walker.nextNode()); ) {
    const box = node.parentElement, size = parseFloat(getComputedStyle(box).fontSize);
    if (node.data.trim() && size < 12 && box.getClientRects().length && !["SCRIPT", "STYLE"].includes(box.tagName)) found.add(`${size} px: ${node.data.slice(0, 20)}`);
  }
  return [...found].slice(0, 5);
}

async function looks() {
  const lightness = (page) => page.evaluate(() => {
    const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/[\d.]+/g).map(Number);
    return (r * 0.2126 + g * 0.7152 + b * 0.0722) / 255;
  });
  const page = await open(server.url), ready = { ask: ".figures li:nth-child(2)", steer: "#panel-steer svg", inside: ".map td", samples: ".cluster", report: "#report-file" };
  for (const [tab, selector] of Object.entries(ready)) {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.goto("about:blank");
    await page.goto(server.url + view(tab));
    await wait(page, selector);
    await idle(page);
    check(`${tab}: dark when asked`, (await lightness(page)) < 0.2);
    await shot(page, `${tab}-dark`);
    await page.emulateMedia({ colorScheme: "light" });
    check(`${tab}: light when asked`, (await lightness(page)) > 0.8);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.evaluate(() => document.querySelectorAll(".composer details").forEach((item) => (item.open = true)));
    await page.waitForTimeout(300);
    check(`${tab}: no sideways scrolling at 360 px`, (await overflow(page)) <= 0, `${await overflow(page)} px over`);
    const small = await page.evaluate(small_texts);
    check(`${tab}: no text under 12 px`, small.length === 0, small.join(" | "));
    await page.evaluate(() => document.querySelectorAll(".composer details").forEach((item) => (item.open = false)));
    await page.waitForTimeout(200);
    await shot(page, `${tab}-phone`);
  }
  await page.close();
}

try {
  const parts = [ask, steer, inside, samples, report, keyboard, ...(fake ? [refusals] : []), looks];
  for (const part of parts) {
    try {
      await part();
    } catch (error) {
      check(part.name, false, String(error).slice(0, 400));
    }
  }
  check("no console error", complaints.length === 0, complaints.join(" | "));
  check("no request elsewhere", elsewhere.length === 0, elsewhere.join(" | "));
} finally {
  await browser.close();
  server.stop();
}
process.exitCode = failed ? 1 : 0;
