import type { Clock } from "../../../../host/clock.ts";
import { messageOf } from "../../../../host/errors.ts";
import { quoted, secondsOf, shown } from "../../diagnostics.ts";
import { Answer, Unreadable } from "./answer.ts";
import { errorText, type Said } from "./said.ts";

/** One question for an endpoint. */
export interface Question {
  readonly baseUrl: string;
  /** "" where none is sent. */
  readonly key: string;
  readonly body: object;
  readonly firstByteMs: number;
  readonly wholeMs: number;
  readonly mostBytes: number;
  /** The answer is cut where its text gets longer; it is of use all the same. */
  readonly mostText: number;
  /** Aborts when the answer is not wanted any more. */
  readonly signal: AbortSignal;
}

/** There is no answer; the message is the reason. */
export class NoAnswer extends Error {
  /** Another try may succeed. */
  readonly passes: boolean;
  /** Milliseconds that the endpoint wants to be left alone; null where it does not say. */
  readonly restMs: number | null;
  /** What the endpoint says itself; "" where it says nothing. */
  readonly detail: string;

  constructor(
    why: string,
    more: { readonly passes: boolean; readonly restMs?: number | null; readonly detail?: string },
  ) {
    super(why);
    this.passes = more.passes;
    this.restMs = more.restMs ?? null;
    this.detail = more.detail ?? "";
  }
}

/** So much of an error is read. */
const MOST_ERROR_BYTES = 16 * 1024;

/**
 * Asks an endpoint once.
 * @throws NoAnswer, or what the signal was aborted with
 */
export async function ask(clock: Clock, question: Question): Promise<Said> {
  const { signal, firstByteMs, wholeMs } = question;
  signal.throwIfAborted();
  const host = new URL(question.baseUrl).host;
  const abort = new AbortController();
  let late: NoAnswer | null = null;
  const limit = (ms: number, what: string) =>
    clock.after(ms, () => {
      late ??= new NoAnswer(`${host} ${what} in ${secondsOf(ms)} s`, { passes: true });
      abort.abort();
    });
  const unwanted = () => abort.abort();
  signal.addEventListener("abort", unwanted);
  const endWhole = limit(wholeMs, "did not come to the end of its answer");
  const endFirst = limit(firstByteMs, "did not begin to answer");
  try {
    const response = await posted(question, abort.signal);
    return response.ok
      ? await answerOf(response, host, question, endFirst)
      : await refused(response, host, question.key, clock);
  } catch (error) {
    signal.throwIfAborted();
    if (late !== null) throw late;
    throw error instanceof NoAnswer ? error : broken(error, host);
  } finally {
    signal.removeEventListener("abort", unwanted);
    endFirst();
    endWhole();
  }
}

function posted({ baseUrl, key, body }: Question, signal: AbortSignal): Promise<Response> {
  const url = new URL(baseUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/chat/completions`;
  return fetch(url, {
    method: "POST",
    // A key must not follow to another address.
    redirect: "manual",
    headers: {
      "content-type": "application/json",
      ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(body),
    signal,
  });
}

async function answerOf(
  response: Response,
  host: string,
  { mostBytes, mostText, key }: Question,
  begun: () => void,
): Promise<Said> {
  const answer = new Answer();
  let bytes = 0;
  try {
    for await (const chunk of chunksOf(response)) {
      begun();
      bytes += chunk.length;
      if (bytes > mostBytes) {
        throw new NoAnswer(`${host} answers with more than ${mostBytes} bytes`, { passes: false });
      }
      if (answer.push(chunk) || answer.textLength > mostText) return answer.said;
    }
    return answer.end();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const type = response.headers.get("content-type") ?? "nothing that is named";
    const said = withoutKey(error.message, key);
    throw new NoAnswer(
      error.isForeign
        ? `${host} answers with ${shown(type)}, not as a chat endpoint does (see base_url)`
        : `${host} answers with an error: ${told(said)}`,
      { passes: !error.isForeign, detail: said },
    );
  }
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  if (body !== null) yield* body as unknown as AsyncIterable<Uint8Array>;
}

/** What a status other than 200 means. @throws NoAnswer */
async function refused(
  response: Response,
  host: string,
  key: string,
  clock: Clock,
): Promise<never> {
  const { status, headers } = response;
  const detail = withoutKey(await errorIn(response), key);
  const said = detail === "" ? "" : `: ${told(detail)}`;
  if (status >= 300 && status < 400) {
    const to = headers.get("location") ?? "nowhere";
    const why = `${host} leads to ${quoted(to.replace(/[?#].*/s, ""))}: give base_url the address itself`;
    throw new NoAnswer(why, { passes: false });
  }
  const hint: Readonly<Record<number, string>> = {
    401: " (see key_env)",
    403: " (see key_env)",
    404: " (see base_url and model)",
  };
  throw new NoAnswer(`${host} answers ${status}${hint[status] ?? ""}${said}`, {
    passes: status === 408 || status === 429 || status >= 500,
    restMs: restOf(headers.get("retry-after"), clock),
    detail,
  });
}

/** What an error's body says, as far as it can be had. */
async function errorIn(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(response)) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MOST_ERROR_BYTES) return "";
  }
  const text = Buffer.concat(chunks).toString();
  try {
    const found: unknown = JSON.parse(text);
    const one: unknown = Array.isArray(found) ? found[0] : found;
    return errorText((one as { error?: unknown } | null)?.error ?? one);
  } catch {
    // A page for people says nothing that fits into a line.
    return text.trimStart().startsWith("<") ? "" : text.trim();
  }
}

/** The milliseconds of a Retry-After: seconds, or a date. */
function restOf(text: string | null, clock: Clock): number | null {
  if (text === null) return null;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - clock.wall();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** Why a connection does not work, in words. */
function broken(error: unknown, host: string): NoAnswer {
  const code = (error as { code?: unknown } | null)?.code;
  const why: Readonly<Record<string, string>> = {
    ECONNREFUSED: `connection refused by ${host}`,
    ENOTFOUND: `there is no host ${host}`,
    ECONNRESET: `${host} cut the connection`,
    EPROTO: `${host} speaks no TLS: does base_url begin with http?`,
  };
  const known = why[String(code)];
  const text = known ?? `${host} cannot be asked: ${told(messageOf(error))}`;
  return new NoAnswer(text, { passes: true });
}

/** What an endpoint says is shown to others: it may say the key that it was sent. */
function withoutKey(text: string, key: string): string {
  return key === "" ? text : text.replaceAll(key, "(the key)");
}

/** What others say, within a sentence. */
function told(text: string): string {
  return shown(text.trim().replace(/\.$/, ""));
}
