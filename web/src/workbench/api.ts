// The server's routes, as the page calls them: same origin, JSON, OpenAI's errors.
export type Value = number | boolean | string;

export interface Param {
  name: string; default: Value; meaning: string; settable: boolean; minimum?: number; maximum?: number; choices?: string[];
}
export interface Method {
  id: string; kind: "control" | "confidence"; route: string; title: string; paper: string; sentence: string;
  direction?: string; params: Param[]; null_setting?: Record<string, Value>;
}
export interface ModelCard {
  id: string; max_model_len: number;
  ken: { chat_template: boolean; calibrated: boolean; n_layers: number; d_model: number; vocab: number; sha256: string };
}

export interface Alternative { token: string; logprob: number; bytes?: number[] | null }
export interface TokenLogprob extends Alternative { top_logprobs: Alternative[] }
export interface Knowledge {
  probability?: number | null; token_probabilities?: number[]; entropies?: number[]; notes?: Record<string, (number | null)[]>;
}
export interface Choice {
  message?: { content: string }; delta?: { content?: string };
  logprobs: { content: TokenLogprob[] } | null; finish_reason: string | null; ken?: Knowledge;
}
export interface Pair { with_context: number | null; without: number | null }
export interface Source {
  name: "context" | "memory" | "both" | "neither"; closed_book_answer: string; conflict: number | null;
  probabilities: { answer: Pair; closed_book_answer: Pair };
}
export interface ReplyKen {
  seed: number; compute: string; confidence?: Record<string, { score: number | null; direction: string }>;
  calibrated?: { confidence: number | null; estimator: string }; abstained?: boolean; source?: Source;
}
export interface Reply { choices: Choice[]; ken?: ReplyKen }

export interface TopToken { text: string; probability: number }
export interface LensLayer { layer: number; name: string; top: TopToken[][]; next: (number | null)[] }
export interface ProbeRow { name: string; point: string; target: string; scores: (number | null)[] }
export interface LensReply { tokens: { id: number; text: string }[]; answer_from: number; layers: LensLayer[]; probes?: ProbeRow[] }

export interface Sample { text: string; logprob: number | null; cluster: number }
export interface Cluster { text: string; share: number; count: number }
export interface SamplesReply { samples: Sample[]; clusters: Cluster[]; semantic_entropy: number }

export class ApiError extends Error {
  constructor(message: string, readonly status: number) { super(message); }
}

// The key lives as long as the browser's tab, and nowhere else.
const KEY = "ken-api-key";
export const has_key = (): boolean => sessionStorage.getItem(KEY) !== null;
export const set_key = (key: string): void => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY));

// Told when the server wants a key, or another one.
let unauthorized = (): void => {};
export function on_unauthorized(told: () => void): void { unauthorized = told; }

async function error_of(response: Response): Promise<ApiError> {
  const text = await response.text();
  let message = text.slice(0, 300) || response.statusText || "no reason given";
  try {
    message = (JSON.parse(text) as { error?: { message?: string } }).error?.message ?? message;
  } catch { /* not JSON: some proxy's page */ }
  return new ApiError(message, response.status);
}

async function call(path: string, init: RequestInit): Promise<Response> {
  const key = sessionStorage.getItem(KEY), headers: Record<string, string> = key ? { Authorization: `Bearer ${key}` } : {};
  if (init.body) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is ken serve still running?", 0);
  }
  if (response.ok) return response;
  if (response.status === 401) unauthorized();
  throw await error_of(response);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await call(path, {})).json()) as T;
}

export async function post<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
  return (await (await call(path, { method: "POST", body: JSON.stringify(body), signal })).json()) as T;
}

// Server-sent events: blocks of lines, each "data: JSON", the last one "data: [DONE]".
function event_of(block: string): Reply | null {
  const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("");
  if (!data || data === "[DONE]") return null;
  const event = JSON.parse(data) as Reply & { error?: { message: string; code?: number } };
  if (event.error) throw new ApiError(event.error.message, event.error.code ?? 500);
  return event;
}

export async function* post_stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<Reply> {
  const response = await call(path, { method: "POST", body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }), signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const blocks = (rest + (value ?? "")).split(/\r?\n\r?\n/);
    rest = done ? "" : blocks.pop()!;
    for (const block of blocks) {
      const event = event_of(block);
      if (event) yield event;
    }
    if (done) return;
  }
}
