import { describe, expect, test } from "bun:test";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { httpDate } from "../lib/net/http/conditions.ts";
import { rangesIn } from "../lib/net/http/ranges.ts";
import { type Booted, raw } from "./kit.ts";
import { served, temporary } from "./web-suite.ts";

const TEXT = "0123456789".repeat(10);
const MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT";
const BEFORE = "Wed, 31 Dec 2025 23:59:59 GMT";
const AFTER = "Thu, 01 Jan 2026 00:00:01 GMT";

interface Answer {
  readonly status: number;
  readonly fields: Headers;
  readonly body: string;
}

/** A web service with a file of 100 bytes, an empty one and a folder. */
async function site(): Promise<Booted> {
  const root = temporary();
  const file = (name: string, text: string) => {
    writeFileSync(join(root, name), text);
    utimesSync(join(root, name), new Date(MODIFIED), new Date(Date.parse(MODIFIED) + 700));
  };
  mkdirSync(join(root, "docs"));
  file("page.txt", TEXT);
  file("empty.txt", "");
  file("docs/index.html", "<p>docs");
  return served({ web: { static: root } });
}

/** The answer as it stands on the wire. */
async function ask(
  server: Booted,
  headers: readonly string[] = [],
  what = "GET /page.txt",
): Promise<Answer> {
  const lines = [`${what} HTTP/1.1`, "Host: localhost", "Connection: close", ...headers, "", ""];
  const answer = await raw(server.port("web"), lines.join("\r\n"));
  const end = answer.indexOf("\r\n\r\n");
  const [first = "", ...rest] = answer.slice(0, end).split("\r\n");
  const fields = new Headers();
  for (const line of rest) {
    const colon = line.indexOf(":");
    fields.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const body = answer.slice(end + 4);
  return {
    status: Number(first.split(" ")[1]),
    fields,
    body: fields.get("transfer-encoding") === "chunked" ? unchunked(body) : body,
  };
}

function unchunked(text: string): string {
  let body = "";
  for (let rest = text; rest !== "";) {
    const line = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (size === 0) return body;
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
  throw new Error("the chunks have no end");
}

describe("conditions", () => {
  test("have the file's validators", async () => {
    const server = await site();
    for (const what of ["GET /page.txt", "HEAD /page.txt"]) {
      const { status, fields, body } = await ask(server, [], what);
      expect(status).toBe(200);
      expect(fields.get("etag")).toMatch(/^"[^"]+"$/);
      expect(fields.get("last-modified")).toBe(MODIFIED);
      expect(fields.get("accept-ranges")).toBe("bytes");
      expect(fields.get("content-length")).toBe("100");
      expect(fields.get("content-type")).toBe("text/plain;charset=utf-8");
      expect(fields.has("date")).toBe(true);
      expect(body).toBe(what.startsWith("GET") ? TEXT : "");
    }
  });

  const cases: [headers: string[], get: number, put?: number][] = [
    [["If-None-Match: TAG"], 304],
    [["If-None-Match: W/TAG"], 304],
    [['If-None-Match: "x", W/"y,z" ,TAG'], 304],
    [['If-None-Match: "x"', "If-None-Match: TAG"], 304],
    [["If-None-Match: *"], 304],
    [['If-None-Match: "x"'], 200],
    [['If-None-Match: "TAG"'], 200],
    [['If-None-Match: "x" TAG'], 200],
    [["If-None-Match: nonsense, TAG"], 200],
    [["If-None-Match:"], 200],
    [[`If-Modified-Since: ${MODIFIED}`], 304],
    [[`If-Modified-Since: ${AFTER}`], 304],
    [[`If-Modified-Since: ${BEFORE}`], 200],
    [["If-Modified-Since: Thursday, 01-Jan-26 00:00:00 GMT"], 304],
    [["If-Modified-Since: Thu Jan  1 00:00:00 2026"], 304],
    [["If-Modified-Since: 2027"], 200],
    [["If-Modified-Since: Fri, 31 Feb 2027 00:00:00 GMT"], 200],
    [["If-Modified-Since: Fri, 01 Jan 2027 00:00:00 CET"], 200],
    [[`If-Modified-Since: ${AFTER}, ${AFTER}`], 200],
    // The tag says more than the date.
    [['If-None-Match: "x"', `If-Modified-Since: ${AFTER}`], 200],
    [["If-None-Match: TAG", `If-Modified-Since: ${BEFORE}`], 304],
    [["If-Match: TAG"], 200],
    [["If-Match: *"], 200],
    [['If-Match: "x", TAG'], 200],
    [["If-Match: W/TAG"], 412],
    [['If-Match: "x"'], 412],
    [["If-Match: nonsense"], 412],
    [[`If-Unmodified-Since: ${MODIFIED}`], 200],
    [[`If-Unmodified-Since: ${AFTER}`], 200],
    [[`If-Unmodified-Since: ${BEFORE}`], 412],
    [["If-Unmodified-Since: nonsense"], 200],
    [["If-Match: TAG", `If-Unmodified-Since: ${BEFORE}`], 200],
    [['If-Match: "x"', `If-Unmodified-Since: ${AFTER}`], 412],
    [["If-Match: TAG", "If-None-Match: TAG"], 304],
    [['If-Match: "x"', "If-None-Match: TAG"], 412],
    [["If-None-Match: TAG", "Range: bytes=0-1"], 304],
    [['If-Match: "x"', "Range: bytes=0-1"], 412],
  ];

  test("are judged in the order of RFC 9110", async () => {
    const server = await site();
    const etag = (await ask(server)).fields.get("etag") as string;
    for (const [headers, expected] of cases) {
      const given = headers.map((header) => header.replace("TAG", etag.replaceAll("$", "$$$$")));
      for (const method of ["GET", "HEAD"]) {
        const { status, fields, body } = await ask(server, given, `${method} /page.txt`);
        expect([method, ...headers, status]).toEqual([method, ...headers, expected]);
        if (status === 200) continue;
        expect(fields.get("etag")).toBe(etag);
        expect(fields.get("cache-control")).toBe("no-cache");
        expect(fields.has("date")).toBe(true);
        if (status === 304) expect([body, fields.has("content-type")]).toEqual(["", false]);
      }
    }
  });

  test("take the tag of a file that was just changed for a weak one", async () => {
    const root = temporary();
    const path = join(root, "page.txt");
    writeFileSync(path, TEXT);
    const server = await served({ web: { static: root } });
    const at = (ms: number) => {
      const date = new Date(server.clock.wall() + ms);
      utimesSync(path, date, date);
    };
    at(-999);
    const { fields } = await ask(server);
    const etag = fields.get("etag") as string;
    const date = fields.get("last-modified") as string;
    expect(etag).toStartWith('W/"');
    expect((await ask(server, [`If-None-Match: ${etag}`])).status).toBe(304);
    expect((await ask(server, [`If-Match: ${etag}`])).status).toBe(412);
    for (const known of [etag, etag.slice(2), date]) {
      const { status, body } = await ask(server, ["Range: bytes=0-1", `If-Range: ${known}`]);
      expect([status, body]).toEqual([200, TEXT]);
    }
    server.clock.advance(1);
    expect((await ask(server)).fields.get("etag")).toBe(etag.slice(2));
    expect((await ask(server, [`If-None-Match: ${etag}`])).status).toBe(304);
    expect((await ask(server, ["Range: bytes=0-1", `If-Range: ${date}`])).status).toBe(206);
  });
});

describe("ranges", () => {
  test.each([
    ["bytes=0-4", "0-4", "01234"],
    ["bytes=95-", "95-99", "56789"],
    ["bytes=-3", "97-99", "789"],
    ["bytes=-1000", "0-99", TEXT],
    ["bytes=98-1000", "98-99", "89"],
    ["bytes=0-0", "0-0", "0"],
    ["bytes=99-", "99-99", "9"],
    ["Bytes=0-4", "0-4", "01234"],
    ["bytes=0-99", "0-99", TEXT],
    ["bytes=7-7,200-", "7-7", "7"],
    [`bytes=7-${"9".repeat(30)}`, "7-99", TEXT.slice(7)],
  ])("%s is one part", async (range, told, body) => {
    const server = await site();
    const found = await ask(server, [`Range: ${range}`]);
    expect([found.status, found.body]).toEqual([206, body]);
    expect(found.fields.get("content-range")).toBe(`bytes ${told}/100`);
    expect(found.fields.get("content-length")).toBe(String(body.length));
    expect(found.fields.get("content-type")).toBe("text/plain;charset=utf-8");
    expect(found.fields.get("accept-ranges")).toBe("bytes");
    for (const name of ["etag", "last-modified", "cache-control", "date"]) {
      expect(found.fields.has(name)).toBe(true);
    }
  });

  test.each(["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-,300-"])(
    "%s is not there",
    async (range) => {
      const server = await site();
      const { status, fields } = await ask(server, [`Range: ${range}`]);
      expect([status, fields.get("content-range")]).toEqual([416, "bytes */100"]);
      const empty = await ask(server, ["Range: bytes=0-"], "GET /empty.txt");
      expect([empty.status, empty.fields.get("content-range")]).toEqual([416, "bytes */0"]);
    },
  );

  test.each([
    "bytes=5-1",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=0-1,x",
    "bytes=0-1,",
    "bytes 0-1",
    "lines=0-1",
    "nonsense",
    `bytes=${Array.from({ length: 17 }, (_, i) => `${i}-${i}`).join(",")}`,
    // More than there is.
    "bytes=0-,0-",
    "bytes=0-60,40-99",
  ])("%s is not looked at", async (range) => {
    const server = await site();
    const { status, fields, body } = await ask(server, [`Range: ${range}`]);
    expect([status, fields.get("content-range"), body]).toEqual([200, null, TEXT]);
    expect(fields.get("content-type")).toBe("text/plain;charset=utf-8");
  });

  test("several come as parts, each with its head", async () => {
    const server = await site();
    const { status, fields, body } = await ask(server, ["Range: bytes=0-4, -3,50-51"]);
    expect([status, fields.get("content-range")]).toEqual([206, null]);
    const [, boundary] = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(
      fields.get("content-type") as string,
    ) as RegExpExecArray;
    const part = (range: string, text: string) =>
      `--${boundary}\r\ncontent-type: text/plain;charset=utf-8\r\ncontent-range: bytes ${range}/100\r\n\r\n${text}\r\n`;
    expect(body).toBe(
      `${part("0-4", "01234")}${part("97-99", "789")}${part("50-51", "01")}--${boundary}--\r\n`,
    );
  });

  test("count only while the file is the same", async () => {
    const server = await site();
    const etag = (await ask(server)).fields.get("etag") as string;
    const status = async (known: string) =>
      (await ask(server, ["Range: bytes=0-4", `If-Range: ${known}`])).status;
    expect(await status(etag)).toBe(206);
    expect(await status(MODIFIED)).toBe(206);
    for (const known of [`W/${etag}`, '"x"', AFTER, BEFORE, "nonsense", `"x", ${etag}`]) {
      expect(await status(known)).toBe(200);
    }
  });

  test("are for GET alone", async () => {
    const server = await site();
    const { status, fields } = await ask(server, ["Range: bytes=0-4"], "HEAD /page.txt");
    expect([status, fields.get("content-length"), fields.get("content-range")]).toEqual([
      200,
      "100",
      null,
    ]);
  });

  test("of a file that is large come right", async () => {
    const root = temporary();
    const bytes = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251));
    writeFileSync(join(root, "large.bin"), bytes);
    const server = await served({ web: { static: root } });
    const get = async (range: string) => {
      const answer = await server.get("/large.bin", { headers: { range } });
      return [answer.status, Buffer.from(await answer.arrayBuffer())] as const;
    };
    expect(await get("bytes=1000000-2999998")).toEqual([206, bytes.subarray(1_000_000, 2_999_999)]);
    const [status, body] = await get("bytes=0-999999,2000000-2999999");
    expect(status).toBe(206);
    expect(body.includes(bytes.subarray(0, 1_000_000))).toBe(true);
    expect(body.includes(bytes.subarray(2_000_000))).toBe(true);
    expect(await get("bytes=0-,0-")).toEqual([200, bytes]);
  });
});

test("a page of a folder has validators and ranges too", async () => {
  const server = await site();
  const { status, body } = await ask(server, ["Range: bytes=3-"], "GET /docs/");
  expect([status, body]).toEqual([206, "docs"]);
});

test("dates and ranges that are long are read in no time", () => {
  const long = "9".repeat(1_000_000);
  for (const text of [long, `Thu, ${long}`, `Thu, 01 Jan 2026 00:00:00 ${long}`]) {
    expect(httpDate(text)).toBeNull();
  }
  expect(rangesIn(`bytes=${long}-${long}`, 5)).toEqual([]);
  expect(rangesIn(`bytes=${"0-0,".repeat(250_000)}`, 5)).toBeNull();
  // By the square of the length it would take minutes.
});

test("the dashboard's files are judged by their tags too", async () => {
  const server = await served();
  const what = "GET /dashboard/page.css";
  const etag = (await ask(server, [], what)).fields.get("etag") as string;
  for (const [header, status] of [
    [`If-None-Match: ${etag}`, 304],
    [`If-None-Match: "x", W/${etag}`, 304],
    ["If-None-Match: *", 304],
    ['If-None-Match: "x"', 200],
    [`If-Match: ${etag}`, 200],
    [`If-Match: W/${etag}`, 412],
    // They have no date.
    [`If-Modified-Since: ${AFTER}`, 200],
    ["Range: bytes=0-1", 200],
  ] as const) {
    expect([header, (await ask(server, [header], what)).status]).toEqual([header, status]);
  }
});
