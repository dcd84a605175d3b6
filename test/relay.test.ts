import { afterEach, describe, expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { boot, type Booted, dial, enveloped, type Peer, turn, until } from "./kit.ts";
import { Random } from "./random.ts";

let server: Booted;
afterEach(() => server.stop());

const stat = (key: string) => server.stats()[key] as number;

describe("a line", () => {
  test("goes to every other client and not to its sender", async () => {
    server = await boot();
    const [a, b, c] = [await server.join(), await server.join(), await server.join()];
    a.send("hello\n");
    expect(await b.next()).toBe(enveloped(a, "hello"));
    expect(await c.next()).toBe(enveloped(a, "hello"));
    b.send("answer\n");
    expect(await a.next()).toBe(enveloped(b, "answer"));
  });

  test.each([
    [
      "JSON of the SDK",
      '{"_version":"1.0","_payload":{"a":NaN,"b":-Infinity},"_type":{"a":"float"}}',
    ],
    ["an integer of 200 bits", `{"n":${2n ** 200n}}`],
    ["a lone surrogate as an escape", String.raw`{"s":"\ud800"}`],
    ["quotes and backslashes", String.raw`"\" \\ \n \u0000`],
    ["NUL bytes and other controls", "a\u0000b\u0001c\td\u007f"],
    ["text beyond the basic plane", "🐙 é ü 日本 \u2028 \u2029 \ufeff"],
    ["spaces at both ends", "  x  "],
    ["something that looks like an envelope", '{"remote_addr":"1.2.3.4:5","content":"x"}'],
  ])("is opaque text: %s", async (_, line) => {
    server = await boot();
    const [a, b] = [await server.join(), await server.join()];
    a.send(`${line}\n`);
    const got = await b.next();
    expect(got).toBe(enveloped(a, line));
    expect(JSON.parse(got).content).toBe(line);
  });

  test("loses one carriage return before its newline and no other", async () => {
    server = await boot();
    const [a, b] = [await server.join(), await server.join()];
    a.send("one\r\ntwo\r\r\nth\rree\n");
    const got = [await b.next(), await b.next(), await b.next()];
    expect(got).toEqual(["one", "two\r", "th\rree"].map((line) => enveloped(a, line)));
  });

  test("that is blank is a heartbeat: counted, not sent", async () => {
    server = await boot();
    const [a, b] = [await server.join(), await server.join()];
    a.send("\n\r\n\nafter\n");
    expect(await b.next()).toBe(enveloped(a, "after"));
    expect(server.stats()).toMatchObject({ lines_in: 4, lines_blank: 3, lines_relayed: 1 });
  });

  test("may come byte by byte", async () => {
    server = await boot();
    const [a, b] = [await server.join(), await server.join()];
    for (const byte of Buffer.from("héllo\nwörld\n")) {
      const before = server.clients().reduce((sum, one) => sum + one.bytesIn, 0);
      a.send(Buffer.from([byte]));
      await until(() => server.clients().reduce((sum, one) => sum + one.bytesIn, 0) > before);
    }
    expect([await b.next(), await b.next()]).toEqual([
      enveloped(a, "héllo"),
      enveloped(a, "wörld"),
    ]);
  });

  test("without its newline counts when its sender half-closes, who is then closed", async () => {
    server = await boot();
    const [a, b] = [await server.join(), await server.join()];
    a.send("first\nlast");
    a.half();
    expect([await b.next(), await b.next()]).toEqual([enveloped(a, "first"), enveloped(a, "last")]);
    expect(await a.closed).toBe("end");
    await until(() => stat("clients") === 1);
    expect(stat("closed_eof")).toBe(1);
  });

  test("sent before a client joined is not for it", async () => {
    server = await boot();
    const [a, b] = [await server.join(), await server.join()];
    a.send("before\n");
    expect(await b.next()).toBe(enveloped(a, "before"));
    const late = await server.join();
    await until(() => stat("clients") === 3);
    a.send("after\n");
    expect(await late.next()).toBe(enveloped(a, "after"));
  });

  test("over IPv6 carries the address in brackets", async () => {
    server = await boot("relay", { host: "::1" }).catch(async () => {
      console.log("skipped: no IPv6 on this machine");
      return boot();
    });
    const host = server.running().addresses[0]?.host as string;
    if (host !== "::1") return;
    const [a, b] = [
      await dial(server.port(), undefined, "::1"),
      await dial(server.port(), undefined, "::1"),
    ];
    await until(() => stat("clients") === 2);
    a.send("six\n");
    expect(JSON.parse(await b.next())).toEqual({ remote_addr: a.address, content: "six" });
  });
});

test("when everybody talks, each gets all lines of the others and each sender's in order", async () => {
  server = await boot("relay", { version: "python" });
  const peers: Peer[] = [];
  for (let i = 0; i < 20; i++) peers.push(await server.join());
  const random = new Random(7);
  const total = 100;
  for (let i = 0; i < total; i++) {
    for (const peer of peers) peer.send(`${i} ${"x".repeat(random.whole(0, 2000))}\n`);
    if (i % 10 === 0) await turn();
  }
  await until(() => peers.every(({ lines }) => lines.length === total * 19));
  for (const peer of peers) {
    const next = new Map<string, number>();
    for (const line of peer.lines) {
      const { remote_addr, content } = JSON.parse(line);
      expect(Number(content.split(" ")[0])).toBe(next.get(remote_addr) ?? 0);
      next.set(remote_addr, (next.get(remote_addr) ?? 0) + 1);
    }
    expect(next.has(peer.address)).toBe(false);
  }
});

describe("the end of a connection", () => {
  describe("in the plain backend ends with a good-bye, whatever it is for", () => {
    const GOODBYE = "Warning: Server disconnected.";
    const plain = async (overrides: object = {}) => {
      server = await boot("relay", { version: "python", ...overrides });
      return [await server.join(), await server.join()] as const;
    };
    /** All lines of a peer, once its connection has ended. */
    const rest = async (peer: Peer) => {
      expect(await peer.closed).toBe("end");
      return peer.lines;
    };

    test("a kick, and a stop", async () => {
      const [a, b] = await plain();
      const [info] = server.clients();
      expect(server.running().kick(info?.id as number)).toBe(info?.address as string);
      expect(await rest(a)).toEqual([
        "Warning: You have been disconnected by an operator.",
        GOODBYE,
      ]);
      const stopped = server.stop();
      expect(await rest(b)).toEqual(["Warning: Server is shutting down.", GOODBYE]);
      await stopped;
    });

    test("its own end, with what it was owed before", async () => {
      const [a, b] = await plain();
      b.send("for you\n");
      await until(() => stat("lines_relayed") === 1);
      a.send("last");
      a.half();
      expect(await rest(a)).toEqual([enveloped(b, "for you"), GOODBYE]);
      expect(await b.next()).toBe(enveloped(a, "last"));
      await until(() => stat("closed_eof") === 1);
    });

    test("an end without a word before or after", async () => {
      const [a] = await plain();
      a.half();
      expect(await rest(a)).toEqual([GOODBYE]);
    });

    test("too many clients, and too many of one address", async () => {
      await plain({ relay: { max_clients: 2 } });
      const third = await server.join();
      const full = "Warning: The server has too many clients. Please try again later.";
      expect(await rest(third)).toEqual([full, GOODBYE]);
      server.reload({ version: "python", relay: { max_clients_per_address: 2 } });
      const fourth = await server.join();
      const many = "Warning: There are too many clients from your address.";
      expect(await rest(fourth)).toEqual([many, GOODBYE]);
    });

    test("an address that may not come in, or not any more", async () => {
      const [a] = await plain();
      server.reload({ version: "python", access: { deny: ["127.0.0.1"] } });
      const denied = "Warning: Your address may not connect to this server.";
      expect(await rest(a)).toEqual([denied, GOODBYE]);
      expect(await rest(await server.join())).toEqual([denied, GOODBYE]);
    });

    test("a quarantine that an operator imposes", async () => {
      const [a] = await plain();
      server.running().quarantine?.impose("127.0.0.1", 5);
      const barred = "Warning: You are in quarantine. Please come back in 5 seconds.";
      expect(await rest(a)).toEqual([barred, GOODBYE]);
      expect(await rest(await server.join())).toEqual([barred, GOODBYE]);
    });

    test("and clients that are gone by then are no trouble", async () => {
      const [a] = await plain();
      for (let i = 0; i < 50; i++) {
        const peer = await server.join();
        peer.send("x\n".repeat(10));
        if (i % 2 === 0) peer.end();
        else peer.reset();
      }
      await until(() => stat("clients") === 2);
      a.send("still here\n");
      await until(() => stat("lines_relayed") >= 1);
      expect(stat("closed_bug")).toBe(0);
      expect(server.printed()).not.toContain("ERROR");
    });
  });

  test("a reset amid a line harms nobody, and the piece is not sent", async () => {
    server = await boot();
    const [a, b, c] = [await server.join(), await server.join(), await server.join()];
    a.send("whole\nhalf a li");
    expect(await b.next()).toBe(enveloped(a, "whole"));
    a.reset();
    await until(() => stat("clients") === 2);
    expect(stat("closed_reset")).toBe(1);
    c.send("after\n");
    expect(await b.next()).toBe(enveloped(c, "after"));
  });

  test("binary garbage is answered and harms nobody", async () => {
    server = await boot("relay", { hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 } });
    const [a, b, c] = [await server.join(), await server.join(), await server.join()];
    const garbage = new Random(9);
    for (let i = 0; i < 50; i++) a.send(garbage.bytes(5000));
    a.send("\nmarker\n");
    for (let line = await b.next(); line !== enveloped(a, "marker"); line = await b.next()) {
      expect(JSON.parse(line).remote_addr).toBe(a.address);
    }
    expect(stat("refused_utf8")).toBeGreaterThan(0);
    expect(a.lines.every((line) => line.startsWith("Warning: "))).toBe(true);
    c.send("fine\n");
    expect(await b.next()).toBe(enveloped(c, "fine"));
  });
});

test("thousands of clients that come and go leave nothing behind, and a pair beside them notices nothing", async () => {
  server = await boot("relay", { hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 } });
  const [a, b] = [await server.join(), await server.join()];
  let said = 0;
  const comeAndGo = async (count: number) => {
    for (let i = 0; i < count; i += 50) {
      const crowd = await Promise.all(Array.from({ length: 50 }, () => dial(server.port())));
      crowd.forEach((peer, n) => {
        if (n % 3 !== 0) peer.send(n % 2 === 0 ? "\n" : "half a line");
        if (n % 2 === 0) peer.reset();
        else peer.end();
      });
      a.send(`${++said}\n`);
      const marker = enveloped(a, `${said}`);
      for (let line = await b.next(); line !== marker; line = await b.next()) {
        expect(JSON.parse(line).content).toBe("half a line");
      }
      await until(() => stat("clients") === 2);
    }
    await until(() => {
      server.clock.advance(250);
      Bun.gc(true);
      return (heapStats().objectTypeCounts["RelayClient"] ?? 0) <= 10;
    });
  };
  // Without strings, as this test keeps the console's output.
  const objects = () => {
    Bun.gc(true);
    const { objectCount, objectTypeCounts } = heapStats();
    return objectCount - (objectTypeCounts["string"] ?? 0);
  };
  await comeAndGo(500);
  const before = objects();
  await comeAndGo(2500);
  expect(objects()).toBeLessThan(before * 1.1);
  expect(server.stats()).toMatchObject({ clients: 2, pinned_bytes: 0, quarantined: 0 });
});
