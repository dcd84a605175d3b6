import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { ask, boot, type Booted, computedMs, raw, turn, until } from "./kit.ts";

/*
 * Any input of a client costs time in proportion to its length: no pattern that
 * backtracks and no recursion reads it. So each of these, as long as a door
 * takes it, is answered, and another client served, within moments. With costs
 * by the square of the length it would take minutes, and the time of a test is up.
 */

const MEGABYTE = 2 ** 20;

/** Texts of about so many bytes on one line: JSON, or not quite. */
const SHAPES: Readonly<Record<string, (bytes: number) => string>> = {
  "a long text": (bytes) => JSON.stringify("x".repeat(bytes - 2)),
  "a text of escaped quotes": (bytes) => `"${'\\"'.repeat(bytes / 2 - 1)}"`,
  "a text of backslashes": (bytes) => `"${"\\\\".repeat(bytes / 2 - 1)}"`,
  "a text of escapes": (bytes) => `"${"\\u0041".repeat(bytes / 6 - 1)}"`,
  "a text of spaces": (bytes) => JSON.stringify(" ".repeat(bytes - 2)),
  "a text of separators": (bytes) => JSON.stringify("^".repeat(bytes - 2)),
  "a text of digits": (bytes) => JSON.stringify("1".repeat(bytes - 2)),
  "a text of digits and points": (bytes) => JSON.stringify("1.".repeat(bytes / 2 - 1)),
  "a text of control characters": (bytes) => `"${"\\u0085".repeat(bytes / 6 - 1)}"`,
  "a text that does not end": (bytes) => `"${"x".repeat(bytes - 1)}`,
  "a text of escaped quotes that does not end": (bytes) => `"${'\\"'.repeat(bytes / 2 - 1)}`,
  "many texts": (bytes) => `[${'"",'.repeat(bytes / 3 - 2)}""]`,
  "many quotes": (bytes) => '"'.repeat(bytes),
  "quotes and backslashes by turns": (bytes) => '"\\'.repeat(bytes / 2),
  "a whole number": (bytes) => "9".repeat(bytes),
  "a fraction": (bytes) => `0.${"9".repeat(bytes - 2)}`,
  "an exponent": (bytes) => `1e${"9".repeat(bytes - 2)}`,
  "many numbers that a double alters": (bytes) =>
    `[${"9007199254740993,".repeat(bytes / 17 - 1)}1]`,
  "many numbers that a double does not alter": (bytes) =>
    `[${"9007199254740994,".repeat(bytes / 17 - 1)}1]`,
  "many ones": (bytes) => `[${"1,".repeat(bytes / 2 - 2)}1]`,
  "many fractions": (bytes) => `[${"1.5,".repeat(bytes / 4 - 1)}1]`,
  "many exponents": (bytes) => `[${"1e300,".repeat(bytes / 6 - 1)}1]`,
  "many zeros with a sign": (bytes) => `[${"-0,".repeat(bytes / 3 - 1)}1]`,
  "many empty lists": (bytes) => `[${"[],".repeat(bytes / 3 - 1)}1]`,
  "many empty objects": (bytes) => `[${"{},".repeat(bytes / 3 - 1)}1]`,
  "a whole number of zeros": (bytes) => `1${"0".repeat(bytes - 1)}`,
  "a number of zeros before and behind its point": (bytes) =>
    `1${"0".repeat(bytes / 2 - 9)}.${"0".repeat(bytes / 2 - 9)}e-${bytes / 2}`,
  "slashes and a letter": (bytes) => `${"/".repeat(bytes - 1)}x`,
  "points and spaces": (bytes) => ". ".repeat(bytes / 2),
  "many exponents that do not end": (bytes) => "1e".repeat(bytes / 2),
  "many signs": (bytes) => "-".repeat(bytes),
  "lists in lists": (bytes) => "[".repeat(bytes / 2) + "]".repeat(bytes / 2),
  "lists that do not end": (bytes) => "[".repeat(bytes),
  "objects in objects": (bytes) => '{"a":'.repeat(bytes / 6 - 1) + "1" + "}".repeat(bytes / 6 - 1),
  "objects that do not end": (bytes) => '{"a":'.repeat(bytes / 5),
  "many names": (bytes) =>
    `{${Array.from({ length: bytes / 24 }, (_, i) => `"name ${i}":${i}`).join()}}`,
  "many names that are numbers": (bytes) =>
    `{${Array.from({ length: bytes / 16 }, (_, i) => `"${i * 7919}":1`).join()}}`,
  "many prototypes": (bytes) => `{${'"__proto__":1,'.repeat(bytes / 14 - 1)}"a":1}`,
  "words of Python": (bytes) => "-Infinity,NaN,".repeat(bytes / 14),
  "words like those of Python": (bytes) => "Infinity_".repeat(bytes / 9),
  "control characters": (bytes) => "\u0001".repeat(bytes),
  "C1 control characters": (bytes) => "\u0085".repeat(bytes / 2),
  emoji: (bytes) => "\u{1f419}".repeat(bytes / 4),
};

const ALL = Object.keys(SHAPES);
const make = (shape: string, bytes: number) => (SHAPES[shape] as (bytes: number) => string)(bytes);

let server: Booted;
const folder = mkdtempSync(`${tmpdir()}/summoner-`);
afterEach(() => server.stop());
afterAll(() => rm(folder, { recursive: true }));

describe("the store", () => {
  const PLACES: Readonly<Record<string, (text: string) => string>> = {
    "for itself": (text) => text,
    "as a value beside a number that a double alters": (text) =>
      `{"action":"ECHO","value":[${text},9007199254740993]}`,
    "as a value": (text) => `{"action":"ECHO","value":${text}}`,
    "as an id": (text) => `{"action":"PING","id":${text}}`,
    "as a key": (text) => `{"action":"GET","key":${text}}`,
    "as a channel": (text) => `{"action":"SUBSCRIBE","channel":${text}}`,
    "as an action": (text) => `{"action":${text}}`,
    "as a token": (text) => `{"action":"AUTH","token":${text}}`,
  };

  test.each(ALL)("answers %s, wherever it stands, and a bystander meanwhile", async (shape) => {
    server = await boot("store");
    const [peer, bystander] = [await server.join(), await server.join()];
    const text = make(shape, MEGABYTE - 100);
    for (const place of Object.values(PLACES)) {
      const since = computedMs();
      await peer.sent(`${place(text)}\n`);
      bystander.send('{"action":"PING"}\n');
      let turns = 0;
      for (; bystander.lines.length === 0; turns++) await turn();
      expect(await bystander.next()).toBe('{"result":"PONG"}');
      expect(turns).toBeLessThan(100);
      await peer.next();
      expect(computedMs() - since).toBeLessThan(2000);
    }
    expect(server.stats("store")).toMatchObject({ clients: 2, closed_bug: 0 });
  });

  test("tells an altered number from others behind a text of any length", async () => {
    const most = 2.5 * MEGABYTE;
    server = await boot("store", { store: { max_line_bytes: most, outbox_bytes: 4 * most } });
    const peer = await server.join();
    for (const inner of ["x", "7", '\\"', "\\\\", "\\u0041"]) {
      const text = `"${inner.repeat((most - 100) / inner.length - 1)}"`;
      const echo = (number: string) => `{"action":"ECHO","value":[${text},${number}]}`;
      expect((await ask(peer, echo("9007199254740993")))["error"].code).toBe("NUMBER_RANGE");
      expect((await ask(peer, echo("9007199254740994")))["error"]).toBeUndefined();
    }
  });
});

describe("the relay", () => {
  const most = 16 * MEGABYTE;

  test.each(ALL)(
    "relays or refuses %s, which its log prunes, and a bystander's lines",
    async (shape) => {
      server = await boot("relay", {
        relay: { max_line_bytes: most, outbox_bytes: 4 * most },
        logger: {
          enable_file_log: true,
          enable_json_log: true,
          log_file_path: folder,
          log_keys: ["a"],
        },
      });
      const [peer, listener] = [await server.join(), await server.join()];
      const bystander = await server.join();
      // Escapes make up to six bytes of one.
      peer.send(`${make(shape, most / 6 - 1000)}\n`);
      bystander.send("meanwhile\n");
      for (let i = 0; i < 2; i++) await listener.next();
      server.clock.advance(100);
      await until(() => server.log.stats().bytes_written > 0);
      expect(server.stats("relay")).toMatchObject({ clients: 3, closed_bug: 0, lines_in: 2 });
    },
  );
});

describe("the web service", () => {
  const TOKEN = "sixteen-characters-or-more";

  test.each(ALL)("answers %s in a body, a path, a query and header fields", async (shape) => {
    await Bun.write(`${folder}/index.html`, "here");
    server = await boot(["web", "relay"], { web: { static: folder } }, { token: TOKEN });
    const text = make(shape, MEGABYTE - 100);
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    for (const body of [text, `{"id":${text}}`, `{"seconds":1,"address":${text}}`]) {
      const { status } = await server.get("/admin/kick", { method: "POST", headers, body });
      expect([400, 404]).toContain(status);
    }
    const short = make(shape, 6000);
    const field = short.replaceAll(/[^ -~]/g, "~");
    const query = encodeURIComponent(short).slice(0, 12_000).replace(/%.?$/, "");
    const port = server.port("web");
    const head = (path: string, name: string, value: string) =>
      raw(
        port,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name}: ${value}\r\n\r\n`,
      );
    for (const path of [`/connz?address=${query}`, `/connz?${query}`, `/${query}`]) {
      expect(await head(path, "x-a", "b")).toStartWith("HTTP/1.1 ");
    }
    for (const name of [
      "cookie",
      "authorization",
      "if-none-match",
      "if-modified-since",
      "range",
      "accept-encoding",
      "content-type",
      "x-forwarded-for",
    ]) {
      for (const value of [field, `a${field}b`, `Bearer ${field} b`, `bytes=${field}`]) {
        expect(await head("/", name, value)).toStartWith("HTTP/1.1 ");
        expect(await head("/connz", name, value)).toStartWith("HTTP/1.1 ");
      }
    }
    expect((await server.get("/healthz")).status).toBe(200);
  });
});
