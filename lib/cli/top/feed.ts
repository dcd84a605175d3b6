import { systemClock } from "../../host/clock.ts";
import { messageOf } from "../../host/errors.ts";
import { type Remote, TokenWanted } from "../client/remote.ts";
import { events } from "./events.ts";
import { sampleOf } from "./numbers.ts";
import type { Lost, Told } from "./page.ts";
import { type Declarations, type Hello, helloShape, type Sample, tickShape } from "./told.ts";

const RETRY_MS = 1000;
/** Milliseconds without an event after which the server counts as lost, and after which it is asked anew. */
const LATE_MS = 3500;
const DEAD_MS = 12_000;
/** The fewest milliseconds between two ticks that make a rate; after a change of the view they come closer together. */
const RATE_MS = 500;

interface Wired {
  /** The clients that are wanted. */
  query(): URLSearchParams;
  /** Something has changed. */
  changed(): void;
  /** Asks the person for the token. @returns null when they have none */
  askToken(why: string): Promise<string | null>;
  /** There is nothing more to be had. */
  ended(): void;
}

/** The state of a server, followed by its events until the end: asked anew after a restart, a silence or a change of what is wanted. */
export class Feed {
  told: Told | null = null;
  /** The client of the server that this feed is itself; null before it is known. */
  own: Hello["stream"] | null = null;
  readonly #remote: Remote;
  readonly #wired: Wired;
  #stream = new AbortController();
  #startedAt = 0;
  #name = { name: "", version: "" };
  #declared: Declarations = {};
  #before: Sample | null = null;
  /** The reason that there is no stream; null while there is one. */
  #trouble: string | null = "";
  /** Clock milliseconds of the last event, or of the beginning. */
  #heardAt = systemClock.now();
  #askedAt = systemClock.now();
  #done = false;

  constructor(remote: Remote, wired: Wired) {
    this.#remote = remote;
    this.#wired = wired;
  }

  /** The silence of the server; null while it is heard. */
  get lost(): Lost | null {
    const ms = systemClock.now() - this.#heardAt;
    const why = this.#trouble ?? "";
    if (ms < LATE_MS && why === "") return null;
    return { seconds: ms / 1000, why };
  }

  /** Asks for what is wanted now. */
  ask(): void {
    this.#stream.abort();
  }

  stop(): void {
    this.#done = true;
    this.#stream.abort();
  }

  async follow(): Promise<void> {
    const stopWatching = systemClock.every(RETRY_MS, () => this.#watch());
    while (!this.#done) {
      this.#stream = new AbortController();
      const { signal } = this.#stream;
      try {
        await this.#read(signal);
        this.#trouble = "the server has ended the stream";
      } catch (error) {
        if (signal.aborted) continue;
        this.#trouble = messageOf(error);
        if (error instanceof TokenWanted && !(await this.#enter(error.message))) break;
        if (error instanceof TokenWanted) continue;
      }
      if (signal.aborted) continue;
      this.#wired.changed();
      await new Promise<void>((resolve) => systemClock.after(RETRY_MS, resolve));
    }
    stopWatching();
  }

  async #read(signal: AbortSignal): Promise<void> {
    this.#askedAt = systemClock.now();
    if (this.#trouble !== null) await this.#remote.confirm();
    const query = this.#wired.query();
    if (this.told !== null) {
      query.set("of", String(this.#startedAt));
      query.set("since", String(this.told.tick.at));
    }
    for await (const { event, data } of events(this.#remote, query, signal)) {
      this.#heardAt = systemClock.now();
      if (event === "hello") this.#greeted(this.#remote.parsed(data, helloShape));
      if (event === "tick") this.#ticked(data);
    }
  }

  #greeted({ name, version, started_at, declared, history, stream }: Hello): void {
    if (started_at !== this.#startedAt) this.#before = null;
    this.#startedAt = started_at;
    this.#declared = declared ?? this.#declared;
    this.own = stream;
    this.#name = { name, version };
    this.#before ??= history.at(-2) ?? null;
  }

  #ticked(data: string): void {
    const tick = this.#remote.parsed(data, tickShape);
    const last = this.told?.tick;
    if (last && tick.at - last.at >= RATE_MS) this.#before = sampleOf(last);
    if (this.#before !== null && this.#before.at >= tick.at) this.#before = null;
    this.told = { ...this.#name, declared: this.#declared, tick, before: this.#before };
    this.#trouble = null;
    this.#wired.changed();
  }

  /** Asks for a token until the server may be asked with it. @returns false when there is none */
  async #enter(why: string): Promise<boolean> {
    const token = await this.#wired.askToken(why);
    if (token === null) {
      this.#wired.ended();
      return false;
    }
    this.#remote.useToken(token);
    return true;
  }

  #watch(): void {
    if (this.lost === null) return;
    const now = systemClock.now();
    if (Math.min(now - this.#heardAt, now - this.#askedAt) > DEAD_MS) {
      this.#trouble = `${this.#remote.address} says nothing`;
      this.#stream.abort();
    }
    this.#wired.changed();
  }
}
