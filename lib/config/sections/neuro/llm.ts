import { meansLoopback } from "../../loopback.ts";
import { decimalOrNone, flag, text, whole } from "../../option.ts";
import { section, type Values } from "../../section.ts";
import { live, SECONDS_MAX } from "../bounds.ts";

const INSTRUCTIONS = "You play games before an audience. Be witty, play to win.";

const entries = {
  base_url: text(
    "http://127.0.0.1:11434/v1",
    "Address of the endpoint, up to the part before /chat/completions.",
    {
      ...live,
      check: urlFault,
      allowed: "an http or https URL without user, password and fragment",
    },
  ),
  model: text("", "Name of the model, as the endpoint knows it.", live),
  key_env: text(
    "SUMMONER_LLM_KEY",
    "Variable of the environment that holds the key, which is sent to base_url alone. Empty, or a variable that is not set: no key is sent.",
    {
      ...live,
      hidesRefused: true,
      check: (found) => (/^(?:[A-Z_][A-Z0-9_]*)?$/.test(found) ? null : "no name of a variable"),
      allowed: "the name of a variable, in capitals; never the key itself",
    },
  ),
  instructions: text(
    INSTRUCTIONS,
    "What the model is told about who it is and how it plays.",
    live,
  ),
  temperature: decimalOrNone(
    [0, 2],
    "How freely the model chooses its words; not given, as the endpoint has it.",
    live,
  ),
  stream: flag(
    true,
    "Have answers sent piece by piece; false for endpoints that cannot do that together with tools.",
    live,
  ),
  context_chars: whole(
    20_000,
    [0, 1_000_000],
    "Characters of what the brain knows of a game that are sent with each question, the newest.",
    live,
  ),
  first_byte_secs: whole(
    60,
    [1, SECONDS_MAX],
    "Seconds until the first byte of an answer; a local model may have to be loaded first.",
    live,
  ),
  timeout_secs: whole(100, [1, SECONDS_MAX], "Seconds until the end of an answer.", live),
  max_answer_bytes: whole(
    4 * 2 ** 20,
    [1024, 2 ** 30],
    "Longest answer, as it comes; a longer one is cut off and of no use.",
    live,
  ),
  retries: whole(
    3,
    [0, 100],
    "How often the endpoint is asked again that cannot be reached, stalls, or answers 429 or 5xx, after pauses that grow.",
    live,
  ),
  reply_words: whole(
    40,
    [0, 1000],
    "Longest reply to a context that may be replied to; 0 for none. There are replies only where speech.words_per_minute is set.",
    live,
  ),
  at_once: whole(4, [1, 10_000], "How many forces it chooses for at once; others wait."),
};

/** The model of the brain llm. */
export const llm = section("A model behind an OpenAI-compatible endpoint: the brain llm.", entries);

type Llm = Values<typeof entries>;

function urlFault(found: string): string | null {
  const url = URL.parse(found);
  if (url === null || !/^https?:$/.test(url.protocol)) return "no http or https URL";
  return url.username + url.password + url.hash === "" ? null : "more than an address";
}

/** Remarks for the operator on the endpoint's key, one sentence each. */
export function keyRemarks({ base_url, key_env }: Llm): readonly string[] {
  const { protocol, hostname, host } = new URL(base_url);
  if (meansLoopback(hostname.replace(/^\[|\]$/g, ""))) return [];
  const isSet = key_env !== "" && Boolean(process.env[key_env]?.trim());
  if (!isSet) {
    const why = key_env === "" ? "key_env is empty" : `${key_env} is not set in the environment`;
    return [`the model at ${host} is asked without a key: ${why}`];
  }
  if (protocol === "https:") return [];
  return [`the key in ${key_env} goes to ${host} in the clear: base_url does not begin with https`];
}
