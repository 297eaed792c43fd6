// What the page shows, kept in the address so that a view can be shared: #question=...&documents=...&control=cad&cad.alpha=2.
import type { Value } from "./api";

export const TABS = ["ask", "steer", "inside", "samples", "report"] as const;
export type Tab = (typeof TABS)[number];

export interface View {
  tab: Tab; question: string; documents: string; instruction: string;
  temperature: number; max_tokens: number | null; confidence: string[]; abstain_under: number | null;
  control: string; params: Record<string, Value>;
}

const STANDARD: View = {
  tab: "ask", question: "", documents: "", instruction: "", temperature: 0, max_tokens: null, confidence: ["margin", "token-entropy"],
  abstain_under: null, control: "", params: {},
};

const finite = (text: string | null): number | null => (text !== null && text !== "" && Number.isFinite(Number(text)) ? Number(text) : null);

// A number or true and false are written as such, anything else is a text.
function value_of(text: string): Value {
  if (text === "true" || text === "false") return text === "true";
  return finite(text) ?? text;
}

export function view_from(hash: string): View {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (name: "question" | "documents" | "instruction" | "control"): string => given.get(name) ?? STANDARD[name];
  const view: View = { ...STANDARD, question: text("question"), documents: text("documents"), instruction: text("instruction"), control: text("control"), params: {} };
  view.tab = TABS.find((tab) => tab === given.get("tab")) ?? "ask";
  view.temperature = finite(given.get("temperature")) ?? STANDARD.temperature;
  view.max_tokens = finite(given.get("max_tokens"));
  view.abstain_under = finite(given.get("abstain_under"));
  const confidence = given.get("confidence");
  if (confidence !== null) view.confidence = confidence.split(",").filter((id) => id);
  for (const [name, value] of given)
    if (view.control && name.startsWith(`${view.control}.`)) view.params[name.slice(view.control.length + 1)] = value_of(value);
  return view;
}

export function hash_of(view: View): string {
  const list = new URLSearchParams();
  for (const name of ["tab", "question", "documents", "instruction", "control"] as const)
    if (view[name] !== STANDARD[name]) list.set(name, view[name]);
  for (const name of ["temperature", "max_tokens", "abstain_under"] as const)
    if (view[name] !== STANDARD[name]) list.set(name, String(view[name]));
  if (view.confidence.join() !== STANDARD.confidence.join()) list.set("confidence", view.confidence.join(","));
  for (const [name, value] of Object.entries(view.params)) list.set(`${view.control}.${name}`, String(value));
  return list.toString();
}

// One passage a paragraph.
export const passages = (documents: string): string[] => documents.split(/\n\s*\n/).map((text) => text.trim()).filter((text) => text);
