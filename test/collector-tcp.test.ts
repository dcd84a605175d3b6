import { describe, expect, test } from "bun:test";
import { packedRecord, type Texts } from "../lib/services/collector/doors/capnp/write.ts";
import {
  collecting,
  frame,
  hello,
  loggerMsg,
  messageOf,
  packed,
  record,
} from "./collector-suite.ts";
import { until } from "./kit.ts";

const CAPNP = Bun.which("capnp");

const hex = (text: string) => Buffer.from(text).toString("hex");

const SCHEMA = `@0xfc867d59c4f2e15c;
enum Level @0xd8c4553d6f87c52b {
  notset @0; debug @1; stream @2; info @3; logon @4; logout @5; trade @6; schedule @7;
  report @8; warning @9; error @10; critical @11;
}
struct LoggerMsg @0xa92baada7e157478 {
  timestamp @0 :Text; hostname @1 :Text; loggerName @2 :Text; module @3 :Text; level @4 :Level;
  filename @5 :Text; functionName @6 :Text; lineNumber @7 :Text; message @8 :Text;
  pathName @9 :Text; processId @10 :Text; processName @11 :Text; threadId @12 :Text;
  threadName @13 :Text; serviceName @14 :Text; stackTrace @15 :Text;
}
struct HelloMsg {
  fromName @0 :Text; fromHost @1 :Text; fromAddress @2 :Text; toAddress @3 :Text;
  fromPublicIP @4 :Text; acks @5 :Bool; clientId @6 :Text; firstSeq @7 :UInt64;
}
`;

/** What the real tool makes of JSON. */
async function capnp(
  folder: string,
  type: string,
  form: "packed" | "binary",
  json: object,
  segmentWords?: number,
): Promise<Buffer> {
  const schema = `${folder}/schema.capnp`;
  await Bun.write(schema, SCHEMA);
  const sized = segmentWords === undefined ? [] : ["--segment-size", `${segmentWords}`];
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    [CAPNP as string, "convert", `json:${form}`, ...sized, schema, type],
    { stdin: Buffer.from(JSON.stringify(json)) },
  );
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout;
}

const ALL = {
  timestamp: "2025-01-15T10:30:45.123Z",
  hostname: "myhost",
  loggerName: "app_logger",
  module: "main",
  filename: "main.py",
  functionName: "process_data",
  lineNumber: "42",
  message: "Processing started",
  pathName: "/srv/main.py",
  processId: "7",
  processName: "python",
  threadId: "8",
  threadName: "worker",
  serviceName: "billing",
  stackTrace: "none",
};

const LINE =
  "0 2025-01-15T10:30:45.123Z          myhost       app_logger      INFO     main.py              process_data              42     Processing started";

describe("a record", () => {
  test("becomes a line of columns, with a number", async () => {
    const server = await collecting();
    const sender = server.sender();
    sender.send(record(ALL), record({ message: "second", level: 10 }));
    const lines = await server.wrote(2);
    expect(lines[0]).toBe(LINE);
    expect(lines[1]).toBe(
      `1 ${" ".repeat(63)}ERROR${" ".repeat(4 + 20 + 1 + 25 + 1 + 6 + 1)}second`,
    );
    await server.drain();
  });

  test("of an unknown level says so", async () => {
    const server = await collecting();
    server
      .sender()
      .send(record({ level: 12, message: "a" }), record({ level: 65_535, message: "b" }));
    const lines = await server.wrote(2);
    expect(lines.map((line) => line.slice(65, 74))).toEqual(["LEVEL12  ", "LEVEL655 "]);
    await server.drain();
  });

  test("has its other fields too with extra_fields", async () => {
    const server = await collecting({ extra_fields: true });
    server.sender().send(record(ALL));
    const [line] = await server.wrote(1);
    expect(line).toBe(
      `${LINE} [mod=main path=/srv/main.py pid=7 pname=python tid=8 tname=worker svc=billing stack=none]`,
    );
    await server.drain();
  });

  test("keeps all its fields as JSON", async () => {
    const server = await collecting({ format: "json" });
    server.sender().send(record(ALL), record({ message: "a\u2028\u202e\u0085\n\u0000b" }));
    const [first, second] = await server.wrote(2);
    expect(JSON.parse(first as string)).toEqual({ sequence: 0, level: "INFO", ...ALL });
    expect(second).toBe(
      '{"sequence":1,"level":"INFO","message":"a\\u2028\\u202e\\u0085\\n\\u0000b"}',
    );
    await server.drain();
  });

  test("stays on its line, whatever it holds", async () => {
    const server = await collecting();
    const hostile = "a\nb\rc\td\u001b[31me\u0000f\u007fg\u0085h\u2028i\u2029j\u202ek";
    server.sender().send(
      record({ message: hostile }),
      record({
        message: Buffer.from([0x61, 0xff, 0xe2, 0x82, 0x62, 0xed, 0xa0, 0x80, 0xf0, 0x9f]),
      }),
      record({ hostname: "\u001b\u001b\u001b\u001b", message: "cut" }),
      record({ hostname: "ääääääääääääääää", message: "cut" }),
    );
    const lines = await server.wrote(4);
    expect(lines).toHaveLength(4);
    expect(messageOf(lines[0] as string)).toBe(
      "a\\nb\\rc\\td\\x1b[31me\\x00f\\x7fg\\u0085h\\u2028i\\u2029j\\u202ek",
    );
    expect(messageOf(lines[1] as string)).toBe("a\ufffd\ufffdb\ufffd\ufffd\ufffd\ufffd");
    // Never within an escape, and never within a character.
    expect((lines[2] as string).slice(36, 49)).toBe("\\x1b\\x1b\\x1b ");
    expect((lines[3] as string).slice(36, 49)).toBe("ääääääääääää ");
    await server.drain();
  });

  test.skipIf(CAPNP === null)(
    `is read as the real capnp packs it, over any number of segments${CAPNP === null ? " (capnp is not installed here)" : ""}`,
    async () => {
      const server = await collecting();
      const sender = server.sender();
      const sizes = [1, 4, 8, 20, undefined];
      for (const size of sizes) {
        sender.send(
          frame(await capnp(server.folder, "LoggerMsg", "packed", { level: "info", ...ALL }, size)),
        );
      }
      sender.send(frame(await capnp(server.folder, "LoggerMsg", "packed", {})));
      const lines = await server.wrote(sizes.length + 1);
      for (const [number] of sizes.entries())
        expect(lines[number]).toBe(`${number}${LINE.slice(1)}`);
      expect(lines[5]?.trimEnd()).toBe(`5 ${" ".repeat(63)}NOTSET`);
      await server.drain();
    },
  );

  test("is packed with runs of zeros, and of words as they are", () => {
    const [none, first, second] = ["00", "ff", "01"];
    const texts = `${first}${hex("sixteen ")}${second}${hex("letters.")}${none}00${"03"}${hex("ab")}`;
    expect(packedRecord(3, { hostname: "sixteen letters.", message: "ab" }).toString("hex")).toBe(
      `101550010f0103${none}00${"11358a"}${none}04${"11291a"}${none}06${texts}`,
    );
  });

  test.skipIf(CAPNP === null)(
    `is packed by \`logs send\` as by the real capnp${CAPNP === null ? " (capnp is not installed here)" : ""}`,
    async () => {
      const server = await collecting();
      const some: Texts[] = [
        ALL,
        {},
        { message: "one" },
        { message: "long ".repeat(1000), stackTrace: "a\u0000b\u0000\u0000c ".repeat(40) },
        { hostname: "\u0000".repeat(5000), message: "x" },
      ];
      for (const texts of some) {
        const real = await capnp(server.folder, "LoggerMsg", "packed", {
          level: "error",
          ...texts,
        });
        expect(packedRecord(10, texts)).toEqual(real);
      }
      await server.drain();
    },
  );
});

describe("acknowledgements", () => {
  test("come to a client that asked for them, and count its own records", async () => {
    const server = await collecting();
    const [silent, asking] = [server.sender(), server.sender()];
    asking.send(frame(hello({ acks: true })));
    silent.send(record({ message: "x" }), record({ message: "y" }));
    asking.send(record({ message: "a" }));
    await until(() => asking.acknowledged.at(-1) === 1);
    asking.send(record({ message: "b" }), record({ message: "c" }));
    await until(() => asking.acknowledged.at(-1) === 3);
    expect(server.lines()).toHaveLength(5);
    expect(silent.frames).toEqual([]);
    await server.drain();
  });

  test("a client that said hello hears a heartbeat every 10 s, one that did not hears nothing", async () => {
    const server = await collecting();
    const [polite, other] = [server.sender(), server.sender()];
    polite.send(frame(hello()), record({ message: "a" }));
    other.send(frame(Buffer.alloc(0)), record({ message: "b" }));
    await server.wrote(2);
    server.clock.advance(9_000);
    server.clock.advance(2_000);
    await until(() => polite.frames.length === 1);
    expect(polite.frames[0]).toHaveLength(0);
    expect(other.frames).toEqual([]);
    await server.drain();
  });
});

describe("bytes that are no record", () => {
  const words = loggerMsg({ message: "x".repeat(100) });
  const broken: Record<string, Buffer> = {
    "a message that is cut short": packed(words).subarray(0, 40),
    "a run of zeros that is cut short": Buffer.from([0]),
    "more segments than there are bytes": packed(Buffer.from([0xff, 1, 0, 0, 0, 0, 0, 0])),
    "too many segments": packed(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
  };
  for (const [what, bytes] of Object.entries(broken)) {
    test(`end their connection and nobody else's: ${what}`, async () => {
      const server = await collecting();
      const [bad, bystander] = [server.sender(), server.sender()];
      bad.send(record({ message: "before" }), frame(bytes), record({ message: "after" }));
      await until(() => bad.isClosed);
      bystander.send(record({ message: "served" }));
      const lines = await server.wrote(2);
      expect(lines.map(messageOf)).toEqual(["before", "served"]);
      expect(server.stats()["refused"]).toBe(1);
      expect(server.printed()).toContain("malformed");
      await server.drain();
    });
  }
});

describe("a client with a name", () => {
  const numbered = (first: number, count: number) =>
    [...Array(count).keys()].map((n) => record({ message: `m${first + n}` }));
  const told = (messages: readonly string[]) => messages.map((line) => messageOf(line));

  test("may send again what it was not told is kept, and it is written once", async () => {
    const server = await collecting();
    const first = server.sender();
    first.send(frame(hello({ acks: true, clientId: "a", firstSeq: 0n })), ...numbered(0, 5));
    await until(() => first.acknowledged.at(-1) === 5);
    first.end();
    const second = server.sender();
    second.send(frame(hello({ acks: true, clientId: "a", firstSeq: 3n })), ...numbered(3, 4));
    await until(() => second.acknowledged.at(-1) === 4);
    expect(told(server.lines())).toEqual(["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    expect(server.stats()["again"]).toBe(2);
    // Only what is there already: it is told all the same.
    const third = server.sender();
    third.send(frame(hello({ acks: true, clientId: "a", firstSeq: 0n })), ...numbered(0, 2));
    await until(() => third.acknowledged.at(-1) === 2);
    expect(server.lines()).toHaveLength(7);
    await server.drain();
  });

  test("is known after a restart, and told apart from others", async () => {
    const before = await collecting();
    const [one, other] = [before.sender(), before.sender()];
    one.send(frame(hello({ acks: true, clientId: "a", firstSeq: 10n })), ...numbered(10, 3));
    other.send(
      frame(hello({ acks: true, clientId: "b\n\u2028", firstSeq: 0n })),
      ...numbered(0, 2),
    );
    await until(() => one.acknowledged.at(-1) === 3 && other.acknowledged.at(-1) === 2);
    await before.drain();
    for (let restarts = 0; restarts < 2; restarts++) {
      const after = await collecting({ path: before.path });
      const again = after.sender();
      again.send(
        frame(hello({ acks: true, clientId: "b\n\u2028", firstSeq: 1n })),
        ...numbered(1, 1),
      );
      await until(() => again.acknowledged.at(-1) === 1);
      const same = after.sender();
      same.send(frame(hello({ acks: true, clientId: "a", firstSeq: 12n })), ...numbered(12, 1));
      await until(() => same.acknowledged.at(-1) === 1);
      await after.drain();
    }
    expect(before.lines()).toHaveLength(5);
  });

  test("that connects once more takes the place of its older connection", async () => {
    const server = await collecting();
    const old = server.sender();
    old.send(frame(hello({ clientId: "a" })), ...numbered(0, 1));
    await server.wrote(1);
    const fresh = server.sender();
    fresh.send(frame(hello({ clientId: "a", firstSeq: 1n })), ...numbered(1, 1));
    await server.wrote(2);
    await until(() => old.isClosed);
    expect(fresh.isClosed).toBe(false);
    // Over and over, it fills no log.
    let last = fresh;
    for (let n = 0; n < 5; n++) {
      const before = last;
      last = server.sender();
      last.send(frame(hello({ clientId: "a" })));
      await until(() => before.isClosed);
    }
    expect(server.printed().match(/goes on for the same client/g)).toHaveLength(1);
    server.clock.advance(1000);
    expect(server.printed()).toContain("5 more connections are closed");
    await server.drain();
  });

  test("has a name of 128 bytes at most, and a number below 2^53", async () => {
    const server = await collecting();
    const tries: [object, boolean][] = [
      [{ clientId: "x".repeat(128) }, true],
      [{ clientId: "x".repeat(129) }, false],
      [{ clientId: "y", firstSeq: 2n ** 53n - 1n }, true],
      [{ clientId: "z", firstSeq: 2n ** 53n }, false],
    ];
    let count = 0;
    for (const [said, isTaken] of tries) {
      const sender = server.sender();
      sender.send(frame(hello(said)), record({ message: "m" }));
      if (isTaken) await server.wrote(++count);
      else await until(() => sender.isClosed);
    }
    expect(server.lines()).toHaveLength(count);
    await server.drain();
  });
});
