import { afterEach, expect } from "bun:test";
import type { Store } from "../lib/services/store/store.ts";
import { type Answer, ask, boot, type Booted, type Peer } from "./kit.ts";

/** Deeper and deeper lists, as JSON. */
export const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

/** The epoch of a store. */
export const epochOf = (server: Booted) => (server.running("store") as Store).epoch;

/** The answer to a request: its result, or the code of its error. */
export async function outcome(peer: Peer, request: object | string): Promise<unknown> {
  const answer = await ask(peer, request);
  return "error" in answer ? answer["error"].code : answer["result"];
}

export async function setAll(
  peer: Peer,
  keys: readonly string[],
  value: unknown = 0,
): Promise<void> {
  for (const key of keys) {
    expect(await outcome(peer, { action: "SET", key, value })).toBe("OK");
  }
}

/** All keys, page by page. */
export async function allKeys(peer: Peer, request: object = {}): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = null; ;) {
    const page: Answer = (await ask(peer, {
      action: "KEYS",
      ...request,
      ...(cursor === null ? {} : { cursor }),
    })) as Answer;
    found.push(...page["result"].keys);
    cursor = page["result"].cursor;
    if (cursor === null) return found;
  }
}

/** The store of one test after the other. */
export class StoreSuite {
  /** Run after each test, the last first. */
  readonly endings: (() => unknown)[] = [];
  #server: Booted | null = null;

  /** Stops it after each test of the file that asks for it. */
  constructor() {
    afterEach(async () => {
      await this.#server?.stop();
      for (const end of this.endings.splice(0).reverse()) await end();
    });
  }

  get server(): Booted {
    return this.#server as Booted;
  }

  stat(name: string): number {
    return this.server.stats()[name] as number;
  }

  async boot(section: object = {}): Promise<void> {
    this.#server = await boot("store", { store: section });
  }

  /** A store, and its one client. */
  async client(section: object = {}): Promise<Peer> {
    await this.boot(section);
    return this.server.join();
  }
}
