import type { Clock } from "../../host/clock.ts";
import type { Priority } from "./protocol.ts";

/** The game that an utterance is for. */
export interface Listener {
  sendSpeechFinished(isFinal: boolean, cancelled?: string): void;
}

/** Characters that are spoken of one utterance: forces wait for its end. */
const LONGEST = 2000;
/** The most milliseconds that it takes to bring a word to an end. */
const SHORTENED_MS = 500;

/**
 * The character's voice, of which there is one. An utterance is spoken sentence
 * by sentence, and always ends with one segment that says it is the last.
 */
export class Speech {
  readonly #clock: Clock;
  readonly #settings: () => { readonly wordsPerMinute: number; readonly announces: boolean };
  /** Called when nothing is spoken any more. */
  readonly #silent: () => void;
  /** What is spoken: the sentences that are left, the first of them now. */
  #utterance: { readonly listener: Listener; sentences: readonly string[] } | null = null;
  /** When the sentence ends; clock milliseconds. */
  #endsAt = 0;
  #cancel = () => {};

  constructor(
    clock: Clock,
    settings: () => { readonly wordsPerMinute: number; readonly announces: boolean },
    silent: () => void,
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#silent = silent;
  }

  get isSpeaking(): boolean {
    return this.#utterance !== null;
  }

  /** Begins to speak the beginning of a text. @returns false where nothing is spoken, or something else is */
  say(text: string, listener: Listener): boolean {
    const sentences = text
      .slice(0, LONGEST)
      .split(/(?<=[.!?])\s+/)
      .filter((one) => one.trim() !== "");
    if (this.isSpeaking || sentences.length === 0 || this.#settings().wordsPerMinute === 0) {
      return false;
    }
    this.#utterance = { listener, sentences };
    this.#speak();
    return true;
  }

  /** A force of this priority waits. */
  hasten(priority: Priority): void {
    const utterance = this.#utterance;
    if (utterance === null || priority === "low") return;
    if (priority === "critical") {
      this.#finish("interrupted");
      return;
    }
    // What is being said is brought to an end, and nothing follows.
    utterance.sentences = utterance.sentences.slice(0, 1);
    if (priority === "high") this.#endIn(Math.min(this.#endsAt - this.#clock.now(), SHORTENED_MS));
  }

  stop(): void {
    this.#cancel();
    this.#utterance = null;
  }

  #speak(): void {
    const [sentence = ""] = this.#utterance?.sentences ?? [];
    const words = sentence.trim().split(/\s+/).length;
    this.#endIn((words * 60_000) / Math.max(1, this.#settings().wordsPerMinute));
  }

  #endIn(ms: number): void {
    this.#cancel();
    this.#endsAt = this.#clock.now() + ms;
    this.#cancel = this.#clock.after(ms, () => this.#sentenceEnded());
  }

  #sentenceEnded(): void {
    const utterance = this.#utterance;
    if (utterance === null) return;
    utterance.sentences = utterance.sentences.slice(1);
    if (utterance.sentences.length === 0) this.#finish();
    else {
      if (this.#settings().announces) utterance.listener.sendSpeechFinished(false);
      this.#speak();
    }
  }

  #finish(cancelled?: string): void {
    const utterance = this.#utterance;
    this.stop();
    if (this.#settings().announces) utterance?.listener.sendSpeechFinished(true, cancelled);
    this.#silent();
  }
}
