import { afterEach, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { MOST_VALUES } from "../lib/services/collector/doors/attributes.ts";
import { blocked, collecting } from "./collector-suite.ts";
import { dial, openssl, type Peer, selfSigned, turn, until } from "./kit.ts";
import { Random } from "./random.ts";

type Server = Awaited<ReturnType<typeof collecting>>;

const over = (own: object = {}) => collecting({ syslog: true, format: "json", ...own });

const records = (server: Pick<Server, "lines">) =>
  server.lines().map((line) => JSON.parse(line) as Record<string, any>);
const messages = (server: Pick<Server, "lines">) => records(server).map(({ message }) => message);

const peers: Peer[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.end();
});

async function sender(server: Server, from?: string): Promise<Peer> {
  const peer = await dial(server.portOf("syslog"), from);
  peers.push(peer);
  return peer;
}

/** Sends datagrams, one after the other. */
async function datagrams(server: Server, ...all: readonly (string | Buffer)[]): Promise<void> {
  const socket = createSocket("udp4");
  for (const one of all) {
    await new Promise<void>((resolve) => {
      socket.send(one, server.portOf("udp"), "127.0.0.1", () => resolve());
    });
  }
  socket.close();
}

const counted = (message: string) => `${Buffer.byteLength(message)} ${message}`;

describe("a message", () => {
  /** What the clock of the test says. */
  const ARRIVED = "2026-01-02T03:04:05.678Z";
  const understood: [string, object][] = [
    // RFC 5424, its own examples.
    [
      "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
      {
        level: "CRITICAL",
        timestamp: "2003-10-11T22:14:15.003Z",
        hostname: "mymachine.example.com",
        loggerName: "su",
        message: "'su root' failed for lonvick on /dev/pts/8",
        attributes: { facility: "auth", msgid: "ID47" },
      },
    ],
    [
      '<165>1 2003-10-11T22:14:15.003Z h evntslog 7 ID47 [exampleSDID@32473 iut="3" eventSource="App"][two@32473 class="high"] An event',
      {
        level: "REPORT",
        timestamp: "2003-10-11T22:14:15.003Z",
        hostname: "h",
        loggerName: "evntslog",
        processId: "7",
        message: "An event",
        attributes: {
          "exampleSDID@32473": { iut: "3", eventSource: "App" },
          "two@32473": { class: "high" },
          facility: "local4",
          msgid: "ID47",
        },
      },
    ],
    // Structured data alone, with escapes, and a name that comes twice.
    [
      '<14>1 - - - - - [a@1 x="q\\"b\\\\s\\]e\\n" y="1" y="2" y="3"]',
      {
        level: "INFO",
        timestamp: ARRIVED,
        hostname: "127.0.0.1",
        attributes: { "a@1": { x: 'q"b\\s]e\\n', y: ["1", "2", "3"] }, facility: "user" },
      },
    ],
    [
      "<14>1 - h - - - -",
      { level: "INFO", timestamp: ARRIVED, hostname: "h", attributes: { facility: "user" } },
    ],
    // Without structured data, as some write it.
    [
      "<14>1 - h app - - message",
      {
        level: "INFO",
        timestamp: ARRIVED,
        hostname: "h",
        loggerName: "app",
        message: "message",
        attributes: { facility: "user" },
      },
    ],
    [
      '<14>1 - h - - - [__proto__ facility="x"] m',
      {
        level: "INFO",
        timestamp: ARRIVED,
        hostname: "h",
        message: "m",
        attributes: { ["__proto__"]: { facility: "x" }, facility: "user" },
      },
    ],
    // RFC 3164, its own examples.
    [
      "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
      {
        level: "CRITICAL",
        timestamp: "2025-10-11T22:14:15",
        hostname: "mymachine",
        loggerName: "su",
        message: "'su root' failed",
        attributes: { facility: "auth" },
      },
    ],
    [
      "<165>Aug 24 05:34:00 1987 mymachine myproc[10]: %% It's time",
      {
        level: "REPORT",
        timestamp: "1987-08-24T05:34:00",
        hostname: "mymachine",
        loggerName: "myproc",
        processId: "10",
        message: "%% It's time",
        attributes: { facility: "local4" },
      },
    ],
    // What programs send: no host, a day of one digit, parts of a second, a zone.
    [
      "<30>Jan  2 03:04:05 systemd[1]: Started.",
      {
        level: "INFO",
        timestamp: "2026-01-02T03:04:05",
        hostname: "127.0.0.1",
        loggerName: "systemd",
        processId: "1",
        message: "Started.",
        attributes: { facility: "daemon" },
      },
    ],
    [
      "<30>Dec 31 23:59:59.123 UTC h postfix/smtpd[12]: x",
      {
        level: "INFO",
        timestamp: "2025-12-31T23:59:59.123Z",
        hostname: "h",
        loggerName: "postfix/smtpd",
        processId: "12",
        message: "x",
        attributes: { facility: "daemon" },
      },
    ],
    [
      "<30>2026-01-02T03:04:05.678901+01:00 h app: x",
      {
        level: "INFO",
        timestamp: "2026-01-02T03:04:05.678901+01:00",
        hostname: "h",
        loggerName: "app",
        message: "x",
        attributes: { facility: "daemon" },
      },
    ],
    [
      "<189>*Mar  1 2026 18:46:11.100: %SYS-5-CONFIG_I: Configured",
      {
        level: "REPORT",
        timestamp: "2026-03-01T18:46:11.100",
        hostname: "127.0.0.1",
        loggerName: "%SYS-5-CONFIG_I",
        message: "Configured",
        attributes: { facility: "local7" },
      },
    ],
    [
      "<191>app: no date",
      {
        level: "DEBUG",
        timestamp: ARRIVED,
        hostname: "127.0.0.1",
        loggerName: "app",
        message: "no date",
        attributes: { facility: "local7" },
      },
    ],
    [
      "<0>http://example.org is no tag",
      {
        level: "CRITICAL",
        timestamp: ARRIVED,
        hostname: "127.0.0.1",
        message: "http://example.org is no tag",
        attributes: { facility: "kern" },
      },
    ],
    [
      "<13>",
      {
        level: "REPORT",
        timestamp: ARRIVED,
        hostname: "127.0.0.1",
        attributes: { facility: "user" },
      },
    ],
  ];
  for (const [message, entry] of understood) {
    test(`is understood: ${JSON.stringify(message.slice(0, 60))}`, async () => {
      const server = await over();
      (await sender(server)).send(`${message}\n`);
      await server.wrote(1);
      const [{ sequence, ...found } = {}] = records(server);
      expect([sequence, found]).toEqual([0, entry]);
      expect(server.stats()["kept_whole"]).toBe(0);
      await server.drain();
    });
  }

  const odd: [string, string][] = [
    ["no priority", "no priority"],
    ["<192>past the last priority", "<192>past the last priority"],
    ["<1234>x", "<1234>x"],
    ["<x>y", "<x>y"],
    ["<13", "<13"],
    ["{", "{"],
    // The header is understood, what is behind it is kept as it came.
    ['<14>1 - h - - - [a@1 x="never ends', '[a@1 x="never ends'],
    ["<14>1 - h - - - [] x", "[] x"],
    ['<14>1 - h - - - [a x="1" x', '[a x="1" x'],
    ["<14>1 - h - - - [a x=1] x", "[a x=1] x"],
  ];
  for (const [message, kept] of odd) {
    test(`that is not understood is kept, and counted: ${message}`, async () => {
      const server = await over();
      (await sender(server)).send(`${message}\n<13>next\n`);
      await server.wrote(2);
      expect(messages(server)).toEqual([kept, "next"]);
      expect(records(server)[0]).toMatchObject({ timestamp: ARRIVED });
      expect(server.stats()["kept_whole"]).toBe(1);
      await server.drain();
    });
  }

  test("has as many elements and values of structured data as anybody sends; more is kept as it came", async () => {
    const server = await over();
    const pairs = (count: number) =>
      `[a${[...Array(count).keys()].map((n) => ` k${n}="v"`).join("")}]`;
    const elements = (count: number) => [...Array(count).keys()].map((n) => `[e${n}]`).join("");
    const most = [pairs(MOST_VALUES - 1), elements(MOST_VALUES)];
    const more = [pairs(MOST_VALUES), elements(MOST_VALUES + 1), `${pairs(MOST_VALUES - 1)}[b]`];
    const all = [...most, ...more].map((data) => `<14>1 - h - - - ${data} x\n`);
    (await sender(server)).send(all.join(""));
    await server.wrote(5);
    expect(messages(server)).toEqual(["x", "x", ...more.map((data) => `${data} x`)]);
    expect(server.stats()["kept_whole"]).toBe(3);
    await server.drain();
  });

  test("of eight severities has one of our levels", async () => {
    const server = await over();
    const peer = await sender(server);
    for (let severity = 0; severity < 8; severity++) peer.send(`<${8 + severity}>x\n`);
    await server.wrote(8);
    expect(records(server).map(({ level }) => level)).toEqual(
      "CRITICAL CRITICAL CRITICAL ERROR WARNING REPORT INFO DEBUG".split(" "),
    );
    await server.drain();
  });

  test("of bytes that are no text stays on its line", async () => {
    const server = await over();
    const bytes = Buffer.concat([
      Buffer.from("<13>1 - h\u0000 a\u001b[1m - - - a\u0000b\rc\u0085d\u202e"),
      Buffer.from([0xff, 0xc3]),
    ]);
    (await sender(server)).send(Buffer.concat([Buffer.from(`${bytes.length} `), bytes]));
    const [line = ""] = await server.wrote(1);
    expect(line).not.toMatch(/\p{Cc}|\p{Cf}/u);
    expect(records(server)[0]).toMatchObject({
      hostname: "h\u0000",
      loggerName: "a\u001b[1m",
      message: "a\u0000b\rc\u0085d\u202e\ufffd\ufffd",
    });
    await server.drain();
  });
});

describe("a stream", () => {
  const MIXED = [
    ["<13>one\n", "one"],
    [counted("<13>two"), "two"],
    [counted("<13>of\ntwo lines"), "of\ntwo lines"],
    ["<13>three\r\n", "three"],
    ["\n", null],
    [`${counted("<13>four\n")}`, "four"],
    ["12 is no length\n", "12 is no length"],
    ["2026-01-02 neither\n", "2026-01-02 neither"],
    ["0 <13>nor this\n", "0 <13>nor this"],
    ["1234567890 <13>nor that\n", "1234567890 <13>nor that"],
    ["7\n", "7"],
    [counted("<13>ü"), "ü"],
    ["<13>ended by NUL\u0000", "ended by NUL"],
    ["<13>last\u0000\n", "last"],
  ] as const;
  const told = MIXED.flatMap(([, message]) => (message === null ? [] : [message]));
  const bytes = Buffer.from(MIXED.map(([sent]) => sent).join(""));

  test("has both framings, message by message", async () => {
    const server = await over();
    (await sender(server)).send(bytes);
    await server.wrote(told.length);
    expect(messages(server)).toEqual(told as unknown as string[]);
    await server.drain();
  });

  test("is read the same however it is cut", async () => {
    const server = await over();
    const random = new Random(7);
    let expected = 0;
    for (const size of [1, 2, 3, 5, 8, 13, 0, 0, 0, 0]) {
      const peer = await sender(server);
      for (let at = 0; at < bytes.length;) {
        const end = at + (size || random.whole(1, 30));
        // Each part by itself, so that the system does not join them again.
        const before = server.stats()["bytes_in"] as number;
        await peer.sent(bytes.subarray(at, end));
        await until(() => (server.stats()["bytes_in"] as number) > before);
        at = end;
      }
      expected += told.length;
      await server.wrote(expected);
      expect(messages(server).slice(-told.length)).toEqual(told as unknown as string[]);
      peer.end();
    }
    await server.drain();
  });

  test("that ends without a newline, or within a length, is taken as far as it came", async () => {
    const server = await over();
    for (const [sent, message] of [
      ["<13>without a newline", "without a newline"],
      ["100 <13>cut short", "cut short"],
      ["77", "77"],
      ["77 ", "77 "],
    ]) {
      const before = server.lines().length;
      const peer = await sender(server);
      peer.send(sent as string);
      peer.half();
      await server.wrote(before + 1);
      expect(messages(server).at(-1)).toBe(message);
    }
    await server.drain();
  });

  test("has messages up to max_message_bytes; a longer one is skipped, and the next ones are served", async () => {
    const server = await over({ max_message_bytes: 256 });
    const at = `<13>${"x".repeat(252)}`;
    const past = `${at}y`;
    const [whole, parts, bystander] = [
      await sender(server),
      await sender(server),
      await sender(server),
    ];
    const all = [`${at}\n`, `${past}\n`, counted(at), counted(past), "<13>end\n"].join("");
    whole.send(all);
    await server.wrote(3);
    expect(server.stats()["refused_syslog_oversized"]).toBe(2);
    for (const byte of Buffer.from(all)) parts.send(Buffer.from([byte]));
    await server.wrote(6);
    expect(messages(server)).toEqual(
      [at, at, "<13>end", at, at, "<13>end"].map((one) => one.slice(4)),
    );
    expect(server.stats()["refused_syslog_oversized"]).toBe(4);
    bystander.send("<13>served\n");
    await server.wrote(7);
    expect(whole.isClosed).toBe(false);
    await server.drain();
  });

  test("of one endless line costs no memory, and the line after it is served", async () => {
    const server = await over({ max_message_bytes: 1024 });
    const peer = await sender(server);
    for (let n = 0; n < 20; n++) await peer.sent("x".repeat(2 ** 20));
    peer.send("\n<13>after\n");
    await server.wrote(1);
    expect(messages(server)).toEqual(["after"]);
    expect(server.stats()["refused_syslog_oversized"]).toBe(1);
    await server.drain();
  });

  test("that announces a length nobody means ends its connection, and nobody else's", async () => {
    const server = await over();
    const [bad, bystander] = [await sender(server), await sender(server)];
    bad.send(`<13>before\n${64 * 2 ** 20} <13>skipped`);
    await server.wrote(1);
    expect(bad.isClosed).toBe(false);
    const worse = await sender(server);
    worse.send(`<13>before\n${64 * 2 ** 20 + 1} <13>x\n<13>after\n`);
    await worse.closed;
    bystander.send("<13>served\n");
    await server.wrote(3);
    expect(messages(server)).toEqual(["before", "before", "served"]);
    expect(server.stats()).toMatchObject({ refused_syslog_malformed: 1, closed_malformed: 1 });
    expect(server.printed()).toContain(`a message of ${64 * 2 ** 20 + 1} bytes was announced`);
    await server.drain();
  });

  test("waits in the system while the disk takes nothing, and comes whole and in order", async () => {
    const server = await blocked({ syslog: true, format: "json" });
    const [first, second] = [await sender(server), await sender(server)];
    first.send("<13>0\n");
    await until(() => server.stats()["blocked"] === 1);
    for (let n = 1; n < 100; n++) second.send(n % 2 ? `<13>${n}\n` : counted(`<13>${n}`));
    await until(() => server.clients().filter(({ state }) => state === "paused").length === 2);
    expect(server.stats()["records"]).toBe(1);
    await server.relieve();
    await server.wrote(100);
    expect(messages(server)).toEqual([...Array(100).keys()].map(String));
    await server.drain();
  });
});

describe("a datagram", () => {
  test("is a message", async () => {
    const server = await over();
    await datagrams(server, "<13>one", "<13>two\n", "", "\n", "<13>of\ntwo lines", "5 <13>x");
    await server.wrote(4);
    expect(messages(server)).toEqual(["one", "two", "of\ntwo lines", "5 <13>x"]);
    expect(server.stats()).toMatchObject({ records_syslog: 4, kept_whole: 1 });
    await server.drain();
  });

  test("needs its port free, and nothing starts where it is not", async () => {
    const other = createSocket("udp4");
    await new Promise<void>((resolve) => other.bind(0, "127.0.0.1", () => resolve()));
    const { port } = other.address();
    const started = over({ syslog_port: port });
    await expect(started).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
    other.close();
  });

  test("has max_message_bytes at most", async () => {
    const server = await over({ max_message_bytes: 256 });
    const at = `<13>${"x".repeat(252)}`;
    await datagrams(server, `${at}y`, at);
    await server.wrote(1);
    expect(messages(server)).toEqual([at.slice(4)]);
    expect(server.stats()["refused_syslog_oversized"]).toBe(1);
    await server.drain();
  });

  test("from an address that may not connect is thrown away", async () => {
    const server = await over({ access: { deny: ["127.0.0.1"] } });
    await datagrams(server, "<13>denied");
    await until(() => server.stats()["refused_syslog_denied"] === 1);
    expect(server.reload({ collector: { syslog: true } })).toEqual([]);
    await datagrams(server, "<13>let in");
    await server.wrote(1);
    expect(messages(server)).toEqual(["let in"]);
    await server.drain();
  });

  test("waits while the disk takes nothing, and is lost beyond a megabyte of them", async () => {
    const server = await blocked({ syslog: true, format: "json" });
    await datagrams(server, "<13>first");
    await until(() => server.stats()["blocked"] === 1);
    const arrived = new Date(server.clock.wall()).toISOString();
    const sent = [...Array(20).keys()].map((n) => `<13>${n} ${"x".repeat(60_000)}`);
    // One at a time: the system drops what does not fit into its own buffer.
    for (const [n, one] of sent.entries()) {
      await datagrams(server, one);
      if (n >= 17) await until(() => server.stats()["refused_syslog_full"] === n - 16);
      else for (let turns = 0; turns < 10; turns++) await turn();
    }
    await server.relieve();
    await server.wrote(18);
    expect(messages(server).map((message) => message.split(" ")[0])).toEqual([
      "first",
      ...[...Array(17).keys()].map(String),
    ]);
    expect(records(server)[1]).toMatchObject({ timestamp: arrived });
    expect(new Date(server.clock.wall()).toISOString()).not.toBe(arrived);
    expect(server.printed()).toContain("full, a datagram is lost");
    await server.drain();
  });

  test("of next to nothing takes room, too, while the disk takes nothing", async () => {
    const server = await blocked({ syslog: true, format: "json" });
    await datagrams(server, "<13>first");
    await until(() => server.stats()["blocked"] === 1);
    const small = Array<string>(100).fill("x");
    // Of one byte each, no more than some thousands wait.
    for (let n = 0; n < 200 && server.stats()["refused_syslog_full"] === 0; n++) {
      await datagrams(server, ...small);
      for (let turns = 0; turns < 10; turns++) await turn();
    }
    expect(server.stats()["refused_syslog_full"]).toBeGreaterThan(0);
    await server.relieve();
    await server.wrote(2);
    expect(server.lines().length).toBeLessThan(4200);
    await server.drain();
  });
});

describe.skipIf(!openssl)("with TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "syslog-tls-"));

  test("messages over TCP are encrypted, and datagrams are taken as they are", async () => {
    const server = await over({ tls: selfSigned(folder, "one") });
    const socket = connect({
      port: server.portOf("syslog"),
      host: "127.0.0.1",
      rejectUnauthorized: false,
    });
    socket.write(counted("<13>encrypted"));
    await server.wrote(1);
    await datagrams(server, "<13>in the open");
    await server.wrote(2);
    expect(messages(server)).toEqual(["encrypted", "in the open"]);
    const plain = await sender(server);
    plain.send("<13>plain\n");
    await plain.closed;
    expect(server.lines()).toHaveLength(2);
    socket.destroy();
    await server.drain();
  });

  test("there are no datagrams where clients need a certificate", async () => {
    const tls = selfSigned(folder, "two");
    const server = await over({ tls: { ...tls, ca: tls.cert, require_client_cert: true } });
    expect(server.running().addresses.map(({ url }) => url ?? "tcp")).toEqual([
      "tcp",
      "tcp",
      "tcp",
    ]);
    await server.drain();
  });

  test("there are none from a reload on that asks for certificates, until one that does not", async () => {
    const tls = selfSigned(folder, "three");
    const server = await over({ tls });
    const asking = { syslog: true, tls: { ...tls, ca: tls.cert, require_client_cert: true } };
    expect(server.reload({ collector: asking })).toEqual([]);
    await datagrams(server, "<13>nobody");
    await until(() => server.stats()["refused_syslog_denied"] === 1);
    expect(server.reload({ collector: { syslog: true, tls } })).toEqual([]);
    await datagrams(server, "<13>somebody");
    await server.wrote(1);
    expect(messages(server)).toEqual(["somebody"]);
    await server.drain();
  });
});
