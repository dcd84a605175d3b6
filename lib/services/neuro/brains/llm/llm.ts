import type { Config } from "../../../../config/table.ts";
import { diagnose } from "../../diagnostics.ts";
import type { Brain, Choice, ForceRequest, Playing } from "../brain.ts";
import type { BrainParts } from "../parts.ts";
import { ask, NoAnswer } from "./endpoint.ts";
import { type Tool, toolsOf } from "./offer.ts";
import { choicePrompt, type Message, MOST_STATE, replyPrompt, type Scene } from "./prompt.ts";
import { type Call, isCut, type Said } from "./said.ts";
import { callIn, withoutThoughts } from "./spoken.ts";
import { Tries } from "./tries.ts";

/** The pause before the second try, which doubles; and the longest, whatever an endpoint asks for. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Between two replies; a game may tell things as fast as it likes. */
const REPLY_PAUSE_MS = 5000;
/** Characters of a reply that are read, thoughts included. */
const MOST_REPLY = 4000;
/** Characters beside a choice that are said aloud. */
const MOST_SAY = 500;

/** Plays by a model behind an OpenAI-compatible chat endpoint. */
export class LlmBrain implements Brain {
  readonly name = "llm";
  readonly atOnce: number;
  readonly #parts: BrainParts;
  readonly #tries = new Tries();
  /** The model that is known to call no tools. */
  #withoutTools = "";
  /** Forces that are chosen for at present. */
  #choosing = 0;
  /** The reply that is being made. */
  #reply: AbortController | null = null;
  /** Clock milliseconds. */
  #nextReplyAt = 0;
  #hasTold = false;

  constructor(parts: BrainParts) {
    this.#parts = parts;
    this.atOnce = parts.settings().llm.at_once;
  }

  get trouble(): string | null {
    return this.#tries.trouble;
  }

  stop(): void {
    this.#reply?.abort();
  }

  async chooseForceAction(game: string, force: ForceRequest, playing: Playing): Promise<Choice> {
    const tools = toolsOf(force.actions);
    this.#tellOfCuts(force, tools, playing);
    // A choice does not wait for chatter.
    this.#reply?.abort();
    this.#choosing++;
    try {
      const scene = this.#scene(game);
      const messages = (asText: boolean) => choicePrompt(scene, force, tools, asText);
      const said = await this.#asked(messages, tools, force.signal);
      return chosen(said, tools);
    } finally {
      this.#choosing--;
    }
  }

  addContext(
    game: string,
    _message: string,
    replyIfNotBusy: boolean,
    playing: Playing,
  ): Promise<string | undefined> | undefined {
    const { llm, speech } = this.#parts.settings();
    const isSilent = llm.reply_words === 0 || speech.words_per_minute === 0;
    const isBusy = this.#reply !== null || this.#choosing > 0 || playing.force !== null;
    if (!replyIfNotBusy || isSilent || isBusy) return undefined;
    if (this.#parts.clock.now() < this.#nextReplyAt) return undefined;
    return this.#replied(game, llm.reply_words);
  }

  /** A reply to what a game has told; nothing where that fails: no game waits for it. */
  async #replied(game: string, words: number): Promise<string | undefined> {
    const abort = new AbortController();
    this.#reply = abort;
    try {
      const messages = replyPrompt(this.#scene(game), words);
      const said = await this.#try(messages, [], abort.signal, MOST_REPLY);
      return firstWords(withoutThoughts(said.text), words);
    } catch {
      return undefined;
    } finally {
      this.#reply = null;
      this.#nextReplyAt = this.#parts.clock.now() + REPLY_PAUSE_MS;
    }
  }

  #scene(game: string): Scene {
    const { settings, stage } = this.#parts;
    const { llm, display_name } = settings();
    return {
      game,
      character: display_name,
      instructions: llm.instructions,
      context: stage().memory.of(game),
      contextChars: llm.context_chars,
    };
  }

  /** Tells a game's developer of what is too much for a model. */
  #tellOfCuts({ actions, state, query }: ForceRequest, tools: readonly Tool[], playing: Playing) {
    const longest = Math.max(state?.length ?? 0, query.length);
    const what =
      tools.length < actions.length
        ? `the first ${tools.length} of its ${actions.length} actions`
        : longest > MOST_STATE &&
          `${MOST_STATE} of the ${longest} characters of its state or query`;
    if (what) playing.tell(diagnose("force_large", { brain: this.name, what }));
  }

  /** Asks until there is an answer. @throws Error when there is none */
  async #asked(
    messages: (asText: boolean) => readonly Message[],
    tools: readonly Tool[],
    signal: AbortSignal,
  ): Promise<Said> {
    const { base_url, model, retries } = this.#parts.settings().llm;
    const endpoint = `${base_url} ${model}`;
    let asText = this.#withoutTools === endpoint;
    for (let failed = 0; ;) {
      try {
        return await this.#try(messages(asText), asText ? [] : tools, signal, Infinity);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (!asText && refusesTools(error)) {
          asText = true;
          if (/support/i.test(error.detail)) this.#withoutTools = endpoint;
          continue;
        }
        failed++;
        if (!error.passes || failed > retries) {
          throw new Error(failed === 1 ? error.message : `${error.message}, ${failed} tries`);
        }
        const pause = FIRST_PAUSE_MS * 2 ** (failed - 1);
        await this.#pause(Math.min(error.restMs ?? pause, LONGEST_PAUSE_MS), signal);
      }
    }
  }

  /** Asks once. @throws NoAnswer */
  async #try(
    messages: readonly Message[],
    tools: readonly Tool[],
    signal: AbortSignal,
    mostText: number,
  ): Promise<Said> {
    const { clock, settings } = this.#parts;
    const { llm } = settings();
    try {
      const said = await ask(clock, {
        baseUrl: llm.base_url,
        key: keyOf(llm),
        body: bodyOf(llm, messages, tools),
        firstByteMs: llm.first_byte_secs * 1000,
        wholeMs: llm.timeout_secs * 1000,
        mostBytes: llm.max_answer_bytes,
        mostText,
        signal,
      });
      if (said.text.length <= mostText && isCut(said)) {
        const { host } = new URL(llm.base_url);
        throw new NoAnswer(`${host} ended its answer in the middle`, { passes: true });
      }
      this.#tries.succeeded();
      return said;
    } catch (error) {
      if (error instanceof NoAnswer) this.#tries.failed(error.message);
      throw error;
    } finally {
      this.#tellOfTrouble();
    }
  }

  /** Logs when the endpoint begins to be out of order, and when that has passed. */
  #tellOfTrouble(): void {
    const { trouble } = this.#tries;
    if ((trouble !== null) === this.#hasTold) return;
    this.#hasTold = trouble !== null;
    const { log } = this.#parts;
    if (trouble === null) log.info("neuro: brain llm: its endpoint answers again");
    else log.warning(`neuro: brain llm: ${trouble}`);
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((done, stop) => {
      const cancel = this.#parts.clock.after(ms, () => {
        signal.removeEventListener("abort", unwanted);
        done();
      });
      const unwanted = () => {
        cancel();
        stop(signal.reason);
      };
      signal.addEventListener("abort", unwanted);
    });
  }
}

type Llm = Config["neuro"]["llm"];

/** @throws NoAnswer when there is one that cannot be sent */
function keyOf({ key_env }: Llm): string {
  const key = key_env === "" ? "" : (process.env[key_env] ?? "").trim();
  if (/^[\x21-\x7e]*$/.test(key)) return key;
  throw new NoAnswer(`the key in ${key_env} has characters that cannot be sent`, { passes: false });
}

function bodyOf(llm: Llm, messages: readonly Message[], tools: readonly Tool[]): object {
  const { model, stream, temperature } = llm;
  const described = tools.map(({ name, action: { description }, schema }) => ({
    type: "function",
    function: { name, description, parameters: schema },
  }));
  return {
    model,
    messages,
    stream,
    ...(temperature === null ? {} : { temperature }),
    ...(described.length === 0 ? {} : { tools: described, tool_choice: "required" }),
  };
}

/** True if an endpoint may answer where it is asked without tools. */
function refusesTools({ detail }: NoAnswer): boolean {
  return /\btools?\b|\btool_choice\b|\bfunctions?\b/i.test(detail);
}

/** What a model has chosen: the first action that it calls, or names. */
function chosen({ calls, text }: Said, tools: readonly Tool[]): Choice {
  const toolOf = (name: string) =>
    tools.find((one) => one.name === name) ?? tools.find((one) => one.action.name === name);
  const spoken = withoutThoughts(text);
  const only = tools.length === 1 ? (tools[0]?.name ?? null) : null;
  const written = (): Call | null => callIn(spoken, (name) => toolOf(name) !== undefined, only);
  const [called] = calls;
  const call = called ?? written();
  // Without a name it is asked again, as with every choice that cannot be sent.
  if (call === null) return { data: spoken } as unknown as Choice;
  const data = call.data.trim() === "" ? undefined : unquoted(call.data);
  const say = called === undefined ? "" : spoken.slice(0, MOST_SAY);
  return { name: toolOf(call.name)?.action.name ?? call.name, data, say };
}

/** Some models write their data as a text within JSON. */
function unquoted(data: string): string {
  if (!data.trimStart().startsWith('"')) return data;
  try {
    const inner: unknown = JSON.parse(data);
    return typeof inner === "string" ? inner : data;
  } catch {
    return data;
  }
}

/** So many words of a text at most, up to the end of a sentence where one ends among them. */
function firstWords(text: string, most: number): string {
  const words = text.split(/\s+/).filter((one) => one !== "");
  if (words.length <= most) return words.join(" ");
  const kept = words.slice(0, most).join(" ");
  const end = Math.max(...[". ", "! ", "? "].map((sign) => `${kept} `.lastIndexOf(sign)));
  return end > 0 ? kept.slice(0, end + 1) : kept;
}
