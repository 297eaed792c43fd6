// Opens a report in a headless browser and fails where a reader would notice.
// Usage: node report_check.mjs REPORT.html [--study STUDY.json] [--figures 8] [--bars 1] [--shots DIR]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { chromium } = createRequire(new URL("../../web/package.json", import.meta.url))("playwright-core");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { study: { type: "string" }, figures: { type: "string", default: "8" }, bars: { type: "string", default: "1" }, shots: { type: "string" } },
});
if (positionals.length !== 1) {
  console.error("usage: node report_check.mjs REPORT.html [--study STUDY.json] [--figures 8] [--bars 1] [--shots DIR]");
  process.exit(2);
}

// With --study the page is an empty template: fill it as `ken study` does.
const EMPTY = '<script id="study-data" type="application/json">null</script>';
const folder = mkdtempSync(join(tmpdir(), "ken-report-"));
function filled(report, study) {
  const parts = readFileSync(report, "utf8").split(EMPTY);
  if (parts.length !== 2) throw new Error(`${report} must hold the empty study element once, found ${parts.length - 1}`);
  const data = JSON.stringify(JSON.parse(readFileSync(study, "utf8"))).replaceAll("<", "\\u003c");
  const file = join(folder, "report.html");
  writeFileSync(file, parts.join(EMPTY.replace("null", () => data)));
  return file;
}

let failed = false;
function check(name, ok, detail) {
  console.log(`${ok ? "ok  " : "FAIL"} ${name}${detail ? `: ${detail}` : ""}`);
  if (!ok) failed = true;
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

// Opens the first bar with Enter and closes it with Escape, as a reader without a mouse does.
async function keyboard(page, least) {
  const bars = page.locator("button.row"), count = await bars.count();
  check("bars to open", count >= least, `${count}, at least ${least}`);
  if (count === 0) return;
  const bar = bars.first();
  await page.locator("main details summary, main button").first().focus();
  for (let i = 0; i < 40 && !(await bar.evaluate((item) => item === document.activeElement)); ++i) await page.keyboard.press("Tab");
  check("a bar is reached with Tab", await bar.evaluate((item) => item === document.activeElement));
  check("a bar says its numbers", /\d.*%|\d\.\d|–/.test((await bar.getAttribute("aria-label")) ?? ""));
  await page.keyboard.press("Enter");
  const drawer = page.locator(".drawer:not(:empty)");
  check("Enter opens its examples", (await drawer.locator(".examples li").count()) > 0 && (await bar.getAttribute("aria-expanded")) === "true");
  await page.keyboard.press("Escape");
  check("Escape closes them", (await drawer.count()) === 0 && (await bar.evaluate((item) => item === document.activeElement)));
  await bars.last().click();
  check("a click opens them, too", (await drawer.locator(".examples li").count()) > 0);
  await bars.last().click();
  check("a second click closes them", (await drawer.count()) === 0);
}

const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--disable-component-update", "--no-first-run"];
const file = values.study ? filled(positionals[0], values.study) : resolve(positionals[0]);
const url = pathToFileURL(file).href, title = basename(values.study ?? file).replace(/\.\w+$/, "");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const complaints = [], requests = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => request.url() !== url && !request.url().startsWith("data:") && requests.push(request.url()));

  // The charts draw once their boxes have a width: two frames after a resize they are settled.
  const settle = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100)))));
  const shot = async (name) => values.shots && page.screenshot({ path: join(values.shots, `${title}-${name}.png`), fullPage: true });
  const lightness = () => page.evaluate(() => {
    const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/[\d.]+/g).map(Number);
    return Math.round((r * 2126 + g * 7152 + b * 722) / 25500) / 100;
  });
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(url);
  await settle();
  const drawn = await page.locator("figure .picture").count();
  check("figures drawn", drawn >= Number(values.figures), `${drawn}, at least ${values.figures}`);
  const hollow = await page.evaluate(() => [...document.querySelectorAll("figure .picture")].filter((box) => !box.querySelector("svg path, svg circle, svg rect, svg line, .track > *")).length);
  check("no empty picture", hollow === 0, `${hollow}`);
  check("a headline and facts", (await page.locator("h1").count()) === 1 && (await page.locator(".facts li").count()) > 0);
  check("light by default", (await lightness()) > 0.8, `background lightness ${await lightness()}`);
  await shot("light");
  await keyboard(page, Number(values.bars));
  if (values.shots) await page.pdf({ path: join(values.shots, `${title}-print.pdf`), printBackground: true });

  await page.emulateMedia({ colorScheme: "dark" });
  check("dark when asked", (await lightness()) < 0.2, `background lightness ${await lightness()}`);
  await shot("dark");

  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 844 });
  await settle();
  check("no sideways scrolling at 390 px", (await overflow()) <= 0, `${await overflow()} px over`);
  await shot("phone");
  await page.evaluate(() => document.querySelectorAll("details").forEach((item) => (item.open = true)));
  await settle();
  check("nor with all tables open", (await overflow()) <= 0, `${await overflow()} px over`);
  const small = await page.evaluate(small_texts);
  check("no text under 12 px", small.length === 0, small.join(" | "));

  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  check("every table and an example of each bar on paper", await page.evaluate(() => !document.querySelector("details:not([open])") && [...document.querySelectorAll(".rows:has(button) .drawer")].every((box) => box.childElementCount > 0)));

  check("nothing in the study was obeyed", await page.evaluate(() => !("broken" in globalThis)));
  check("no console error", complaints.length === 0, complaints.join(" | "));
  check("no network request", requests.length === 0, requests.join(" | "));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
