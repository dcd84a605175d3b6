import { afterEach, describe, expect, spyOn, test } from "bun:test";
import type { StoreClient } from "../lib/services/store/client.ts";
import { Requests } from "../lib/services/store/commands/requests.ts";
import { nestsBeyond } from "../lib/services/store/commands/numbers.ts";
import type { Store } from "../lib/services/store/store.ts";
import { ask, heard, turn } from "./kit.ts";
import { nested, StoreSuite } from "./store-suite.ts";

const suite = new StoreSuite();
const FLOOD = 1_000_000;
/** Most bytes of a flood that are served in one turn. */
const SHARE = 400_000;

const spies: { mockRestore(): void }[] = [];
afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore();
});

/** A client's side in the store, to which bytes are given in blocks of the test's own size. */
async function served(): Promise<{ store: Store; client: StoreClient }> {
  const peer = await suite.client();
  const store = suite.server.running("store") as Store;
  const received = spyOn(store, "received");
  expect((await ask(peer, { action: "PING" }))["result"]).toBe("PONG");
  const client = received.mock.calls[0]?.[0] as StoreClient;
  received.mockRestore();
  return { store, client };
}

/** Gives the store a flood for as many turns as it needs. @returns the most bytes of a turn, and what was parsed */
async function flood(bytes: Buffer) {
  const { store, client } = await served();
  const whole = spyOn(Bun.JSONL, "parseChunk");
  const single = spyOn(JSON, "parse");
  spies.push(whole, single);
  let most = 0;
  for (let at = 0; at < bytes.length;) {
    let inTurn = 0;
    // What is held is served on at the end of the turn; the flood is not, so that each turn can be counted.
    while (client.reading && at < bytes.length) {
      const taken = store.received(client, bytes.subarray(at));
      expect(taken).toBeGreaterThan(0);
      at += taken;
      inTurn += taken;
    }
    most = Math.max(most, inTurn);
    await turn();
  }
  const parsed = [...whole.mock.calls, ...single.mock.calls].map(
    ([text]) => (text as string | Buffer).length,
  );
  return {
    most,
    parsed: parsed.reduce((sum, length) => sum + length, 0),
    single: single.mock.calls.length,
  };
}

const repeated = (unit: string) =>
  Buffer.from(unit.repeat(Math.ceil(FLOOD / unit.length)), "latin1");

describe("in one turn a client is served no more than its share, and no line is parsed over and over:", () => {
  test.each([
    ["empty lines", "\n"],
    ["empty lines with a carriage return", "\r\n"],
    ["blanks", " \n"],
    ["letters", "x\n"],
    ["bytes that are not UTF-8", "\xff\n"],
    ["cut objects", '{"action":"PING"\n'],
    ["cut lists", "[\n"],
    ["cut texts", '"\n'],
  ])("%s, which the parser never sees by themselves", async (_, unit) => {
    const { most, parsed, single } = await flood(repeated(unit));
    expect(most).toBeLessThan(SHARE);
    expect(parsed).toBeLessThan(1.5 * FLOOD);
    expect(single).toBe(0);
    if (unit.trim() === "") expect(parsed).toBe(0);
  });

  test.each([
    ["numbers", "1\n"],
    ["objects", "{}\n"],
    ["requests", '{"action":"PING"}\n'],
    ["bad objects", "{x}\n"],
    ["good lines among bad ones", '\xff\n{"action":"PING"}\nx\n1\n'],
    ["good lines among empty ones", '\n{"action":"PING"}\n\r\n1\n'],
  ])("%s", async (_, unit) => {
    const { most, parsed } = await flood(repeated(unit));
    expect(most).toBeLessThan(SHARE);
    expect(parsed).toBeLessThan(2.5 * FLOOD);
  });

  test.each([
    ["lists", `[${"0,".repeat(170_000)}0]\n`],
    ["objects with a list", `{"action":"NONE","x":[${"[],".repeat(110_000)}0]}\n`],
  ])("long %s", async (_, line) => {
    const { most, parsed } = await flood(Buffer.from(line.repeat(4)));
    expect(most).toBe(line.length);
    expect(parsed).toBe(4 * line.length);
  });
});

describe("a long line that is nested far too deep", () => {
  test.each([
    ["without an end", "[".repeat(900_000)],
    ["with one", nested(400_000)],
    ["of objects", '{"a":'.repeat(2000)],
    ["behind texts", `["\\"]]\\\\","]",${"[".repeat(5000)}`],
  ])("is refused without being parsed: %s", async (_, line) => {
    const peer = await suite.client();
    const parse = spyOn(JSON, "parse");
    const chunk = spyOn(Bun.JSONL, "parseChunk");
    spies.push(parse, chunk);
    peer.send(`${line}\n`);
    const answer = await peer.next();
    expect([parse.mock.calls.length, chunk.mock.calls.length]).toEqual([0, 0]);
    expect(answer).toContain('"TOO_DEEP"');
  });

  test("is told from one with brackets in its texts", async () => {
    const peer = await suite.client();
    for (const value of ["[".repeat(5000), `\\"${"[{".repeat(5000)}\\`, '"[\\'.repeat(3000)]) {
      peer.send(`${JSON.stringify({ action: "ECHO", value })}\n`);
      expect((await heard(peer))["result"]).toBe(value);
    }
    const wide = `${"[],".repeat(5000)}[]`;
    expect(nestsBeyond(Buffer.from(`[${wide}]\n`), 2)).toBe(false);
    expect(nestsBeyond(Buffer.from(`[[${wide}]]\n`), 2)).toBe(true);
  });

  test("is answered with its id as long as it is parsed", async () => {
    const peer = await suite.client();
    peer.send(`{"action":"ECHO","value":[${nested(500)},"${"x".repeat(5000)}"],"id":7}\n`);
    expect(await heard(peer)).toMatchObject({ error: { code: "TOO_DEEP" }, id: 7 });
  });
});

test("a long line is parsed by itself, and short ones 128 at a time", () => {
  const long = `"${"x".repeat(5000)}"\n`;
  const block = Buffer.from(`1\n2\n${long}${long}${"3\n".repeat(200)}`);
  const counts: number[] = [];
  for (let at = 0; at < block.length;) {
    const requests = new Requests(block, at, false);
    counts.push(requests.count);
    at += requests.bytes;
  }
  expect(counts).toEqual([2, 1, 1, 128, 72]);
});
