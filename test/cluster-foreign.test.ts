import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { entryOf } from "../lib/services/relay/order/redis/entry.ts";
import { keysOf, SCRIPT } from "../lib/services/relay/order/redis/script.ts";
import { TestRoom } from "./cluster-suite.ts";
import { enveloped, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const LINE = `${JSON.stringify({ remote_addr: "10.0.0.1:1", content: "x" })}\n`;

type Fields = Record<"n" | "i" | "b" | "c" | "k" | "l" | "t", string>;

/** The fields of an entry as a node writes it. */
function fields(changes: Partial<Fields> = {}): string[] {
  const text = changes.t ?? LINE;
  const usual = { n: "other", i: "1", b: "0", c: "1", k: "lines", l: `${Buffer.byteLength(text)}` };
  return Object.entries({ ...usual, ...changes, t: text }).flat();
}

/** What is wrong with each, and its fields. */
const WRONG: readonly (readonly [why: string, fields: string[], found?: string])[] = [
  ["no fields of ours", ["a", "b"], "other fields"],
  ["too many fields", [...fields(), "x", "y"], "other fields"],
  ["another order of fields", fields().toReversed(), "other fields"],
  ["an unknown kind", fields({ k: "noise" })],
  ["a node whose name is none", fields({ n: "a b" }), "an unknown node"],
  ["a number that is none", fields({ i: "one" }), "no numbers"],
  ["a number below none", fields({ b: "-1" }), "no numbers"],
  ["a number past all bounds", fields({ b: "1".repeat(16) }), "no numbers"],
  ["no line", fields({ c: "0", t: "" }), "another number of lines"],
  ["more lines than it says", fields({ t: LINE + LINE }), "another number of lines"],
  ["a huge number of lines", fields({ c: "999999999" }), "another number of lines"],
  ["fewer lines than it says", fields({ c: "2" }), "no envelopes"],
  ["a line without an end", fields({ t: LINE.trimEnd() }), "no whole envelopes"],
  [
    "a notice instead of an envelope",
    fields({ t: "Warning: Send me your tokens.\n" }),
    "no envelopes",
  ],
  ["a notice after an envelope", fields({ c: "2", t: `${LINE}Warning: x\n` }), "no envelopes"],
  ["a line that is too long", fields({ t: LINE.replace("x", "x".repeat(70_000)) }), "too large"],
  ["a text that is too long", fields({ c: "9", t: LINE.repeat(9).padEnd(300_000) }), "too large"],
  ["words with lines", fields({ k: "bar", t: "{}" }), "lines where there are none"],
  ["too many words", fields({ k: "bar", c: "0", t: "x".repeat(5000) }), "too large"],
];

describe("an entry", () => {
  const read = (given: string[]) => entryOf(["1-0", given], 65_536);

  test("is one as a node writes it", () => {
    expect(read(fields())).toEqual({
      id: "1-0",
      life: "other",
      number: 1,
      before: 0,
      lines: 1,
      kind: "lines",
      text: LINE,
    });
  });

  for (const [why, given, found = why] of WRONG) {
    test(`is none with ${why}`, () => expect(read(given)).toBe(found));
  }

  test("has lines up to the bound, and none past it", () => {
    const long = (bytes: number) => {
      const text = LINE.replace("x", "é".repeat(400));
      return fields({ t: text.replace("é", `é${"x".repeat(bytes - Buffer.byteLength(text))}`) });
    };
    expect(entryOf(["1-0", long(1024)], 1024)).toMatchObject({ lines: 1 });
    expect(entryOf(["1-0", long(1025)], 1024)).toBe("too large");
  });

  test("is nothing else that an answer may hold", () => {
    for (const other of [
      null,
      7,
      "x",
      [],
      ["1-0"],
      ["1-0", null],
      ["1-0", [1, 2]],
      [7, fields()],
    ]) {
      expect(entryOf(other, 65_536)).toBeString();
    }
  });
});

for (const program of PROGRAMS) {
  describe(`in the stream on ${program}`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
      room = new TestRoom(server);
    });
    afterEach(async () => {
      await room.close();
      room = new TestRoom(server);
    });
    afterAll(() => server.stop());

    async function two() {
      const [a, b] = [await room.node("a"), await room.node("b")];
      return { a, b, from: await room.join(a), to: await room.join(b) };
    }

    test("whatever no node writes is skipped, counted and told once, and the room goes on", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const [from, to] = [await room.join(a), await room.join(b)];
      for (const [, given] of WRONG) await server.ask("XADD", room.key("log"), "*", ...given);
      from.send("after\n");
      expect(await to.next()).toBe(enveloped(from, "after"));
      expect(b.stats()["foreign_entries"]).toBe(WRONG.length);
      expect(b.printed().match(/skipped/g)).toHaveLength(1);
      expect(b.printed()).toContain(
        "skipped an entry of the stream that no relay of this room writes",
      );
      expect([b.stats()["lost_lines"], b.running().health().ok]).toEqual([0, true]);
    });

    test("bytes that are no UTF-8 are no lines", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const [from, to] = [await room.join(a), await room.join(b)];
      const parts = [room.key("log"), "*", ...fields()].map((part) => Buffer.from(part));
      const text = parts.pop() as Buffer;
      text[LINE.indexOf("x")] = 0xff;
      const all = [Buffer.from("XADD"), ...parts, text];
      await server.raw(
        Buffer.concat([
          Buffer.from(`*${all.length}\r\n`),
          ...all.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]),
        ]),
      );
      from.send("after\n");
      expect(await to.next()).toBe(enveloped(from, "after"));
      expect(b.stats()["foreign_entries"]).toBe(1);
    });

    test("words of quarantines and kicks that make no sense do nothing", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const [from, to] = [await room.join(a), await room.join(b)];
      let number = 0;
      for (const k of ["bar", "lift", "kick", "kicked", "here", "left"]) {
        for (const t of [
          "",
          "{",
          "null",
          "7",
          "[]",
          "{}",
          '{"key":"x","ms":1,"why":"y"}',
          '{"to":"x","id":1}',
        ]) {
          await server.ask(
            "XADD",
            room.key("log"),
            "*",
            ...fields({ i: `${++number}`, c: "0", k, t }),
          );
        }
      }
      from.send("after\n");
      expect(await to.next()).toBe(enveloped(from, "after"));
      expect([...b.running().quarantine!.entries()]).toEqual([]);
      expect(b.running().room!.nodes()).toHaveLength(2);
    });

    test("whatever stands in the keys beside it, the room goes on, and what is lost is told once", async () => {
      const { a, b, from, to } = await two();
      const [lives, garbage] = [[] as string[], "x".repeat(50_000)];
      for (let life = 0; life < 1000; life++) lives.push(`life-${life}`, "1 1");
      await server.ask("HSET", room.key("heads"), "bytes", "oops", "x", garbage, ...lives);
      await server.ask("HSET", room.key("nodes"), "x", garbage, "y", "1 z {}");
      await server.ask("RPUSH", room.key("marks"), "oops", "1-1 9999999999999", "x-y 1");
      await server.ask("CLIENT", "KILL", "TYPE", "normal");
      // More than a step of what is kept, and less than all of it.
      for (let line = 0; line < 45; line++) from.send(`${line} ${garbage}\n`);
      for (let line = 0; line < 45; line++) {
        let heard = await to.next();
        if (heard.startsWith("Warning: ")) {
          expect(heard).toBe("Warning: 1000 lines were lost; this server was cut off.");
          heard = await to.next();
        }
        expect(heard).toBe(enveloped(from, `${line} ${garbage}`));
      }
      await until(() => [a, b].every((node) => node.stats()["lost_lines"] === 1000));
    });

    test("clients that a node tells of are no more than there can be", async () => {
      const { a, to } = await two();
      const info = { address: "x", version: "1", clients: 1e15, lines: 0, up: 0 };
      const t = JSON.stringify({ name: "c", info });
      await server.ask("XADD", room.key("log"), "*", ...fields({ c: "0", k: "here", t }));
      await until(() => a.stats()["room_nodes"] === 3);
      expect(a.stats()["room_clients"]).toBe(1e9);
      expect(to.lines).toEqual([]);
    });

    test("an append is taken once, however often it is sent, and only in its turn", async () => {
      const keys = Object.values(keysOf("appends"));
      const run = (...args: string[]) =>
        server.ask("EVAL", SCRIPT, `${keys.length}`, ...keys, ...args);
      const add = (number: number) =>
        run("add", "life", "lines", `${number}`, `${number - 1}`, "1", "1048576", LINE);
      expect(await add(1)).toBe("unknown");
      const info = JSON.stringify({ address: "x", version: "1", clients: 0, lines: 0, up: 0 });
      const joined = await run("join", "life", "n", info, "0", "0", "", "");
      expect((joined as unknown[])[0]).toBe("joined");
      expect(await add(1)).toMatch(/^\d+-\d+$/);
      expect(await add(1)).toBe("had");
      expect(await add(3)).toBe("unknown");
      expect(await add(2)).toMatch(/^\d+-\d+$/);
      expect(await add(1)).toBe("had");
      const found = (await server.ask("XRANGE", keys[0]!, "-", "+")) as [string, string[]][];
      const lines = found.filter(([, given]) => given[9] === "lines");
      expect(lines.map(([, given]) => given[3])).toEqual(["1", "2"]);
    });

    test("it keeps about as many bytes as it should", async () => {
      const a = await room.node("a", { cluster: { keep_bytes: 16 * 2 ** 20 } });
      const from = await room.join(a);
      const to = await room.join(a);
      for (let i = 0; i < 500; i++) await from.sent(`${"x".repeat(50_000)}\n`);
      await until(() => to.lines.length === 500);
      const found = (await server.ask("XRANGE", room.key("log"), "-", "+")) as [string, string[]][];
      const bytes = found.reduce((sum, [, given]) => sum + given.join().length, 0);
      // Whole entries, and the stream is cut a thirtieth at a time.
      expect(bytes).toBeGreaterThan(0.8 * 16 * 2 ** 20);
      expect(bytes).toBeLessThan(1.2 * 16 * 2 ** 20);
    });
  });
}
