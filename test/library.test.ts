import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ConfigError,
  type GreetedClient,
  presets,
  type RunOptions,
  type ServerOptions,
  StartError,
  SummonerServer,
} from "../index.ts";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { HandClock } from "../lib/host/clock.ts";
import { dial, enveloped, type Peer, turn, until } from "./kit.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const SHUTDOWN = "Warning: Server is shutting down.";

/** Drains a server, with its clock pushed on. */
async function stop(
  server: SummonerServer,
  clock: HandClock,
  running: Promise<void>,
): Promise<void> {
  let done = false;
  void running.then(() => {
    done = true;
  });
  server.shutdown();
  while (!done) {
    clock.advance(250);
    await turn();
  }
}

/** A server that serves on a free port, and its output. */
async function serve(
  options: ServerOptions = {},
  run: RunOptions = { config: { version: "rust", port: 0 } },
  Server = SummonerServer,
  name?: string,
) {
  const clock = new HandClock();
  const printed: string[] = [];
  const print = (text: string) => void printed.push(text);
  const server = new Server(name, { clock, print, ...options });
  const running = server.run(run);
  const [address] = await server.listening;
  const port = address?.port as number;
  const end = () => stop(server, clock, running);
  endings.push(end);
  return {
    server,
    address,
    port,
    clock,
    end,
    running,
    printed: () => printed.join(""),
    async join(): Promise<Peer> {
      const peer = await dial(port);
      endings.push(() => peer.end());
      await until(() => printed.join("").includes(`${peer.address} connected`));
      return peer;
    },
  };
}

test("runs every service that its configuration enables", async () => {
  const config = { version: "rust", port: 0, web: { enabled: true, port: 0 } };
  const { server, printed, end, running } = await serve({}, { config });
  const [relay, web] = await server.listening;
  expect(relay?.url).toBeUndefined();
  expect(printed()).toContain(`web is ready on ${web?.url}\n`);
  const answer = await fetch(`${web?.url}readyz`, { keepalive: false });
  expect(await answer.json()).toEqual({ ready: true, why: {} });
  await end();
  await running;
  expect(fetch(`${web?.url}readyz`)).rejects.toThrow();
});

describe("run", () => {
  test("serves from listening to shutdown, then resolves", async () => {
    const { address, join, end, running, printed } = await serve();
    expect(address?.host).toBe("127.0.0.1");
    const [a, b] = [await join(), await join()];
    a.send("hello\n");
    expect(await b.next()).toBe(enveloped(a, "hello"));
    await end();
    await running;
    expect(await a.next()).toBe(SHUTDOWN);
    expect(await a.closed).toBe("end");
    expect(printed()).toContain(`relay is ready on 127.0.0.1:${address?.port}`);
    expect(printed()).toEndWith("Server exited cleanly.\n");
    expect(await dial(address?.port as number).catch(() => "gone")).toBe("gone");
  });

  test("the last line is the last, however busy the room was", async () => {
    const { join, end, printed } = await serve();
    const [a, b] = [await join(), await join()];
    // One more than the console shows in a second.
    const lines = Array.from({ length: 21 }, (_, i) => `${i}`);
    a.send(`${lines.join("\n")}\n`);
    for (const line of lines) expect(await b.next()).toBe(enveloped(a, line));
    await end();
    expect(printed()).toContain("1 more line");
    expect(printed()).toEndWith("Server exited cleanly.\n");
  });

  test("shutdown may be called twice, and before run", async () => {
    const { server, running, end } = await serve();
    server.shutdown();
    await end();
    await running;
    const early = new SummonerServer("early", { print: () => {} });
    early.shutdown();
    await early.run({ config: { port: 0 } });
    await expect(early.listening).rejects.toThrow("it was stopped before it was ready");
  });

  test("takes signals away again when it is done", async () => {
    const signals = ["SIGINT", "SIGTERM"] as const;
    const counts = () => signals.map((name) => process.listenerCount(name));
    const before = counts();
    const hangUps = process.listenerCount("SIGHUP");
    const { server, end } = await serve();
    server.setTerminationSignals();
    expect(counts()).toEqual(before.map((count) => count + 1));
    // It belongs to the program that embeds the server.
    expect(process.listenerCount("SIGHUP")).toBe(hangUps);
    await end();
    expect(counts()).toEqual(before);
  });

  test("the name given wins, and names the log", async () => {
    const path = mkdtempSync(join(tmpdir(), "summoner-library-"));
    endings.push(() => rmSync(path, { recursive: true }));
    const logger = { enable_file_log: true, log_file_path: path };
    const config = { port: 0, name: "configured", logger };
    const { end } = await serve({}, { config }, SummonerServer, "my:server");
    await end();
    const text = await Bun.file(join(path, "my_server.log")).text();
    expect(text).toContain(" - my:server - INFO - ");
    expect(text).toEndWith("Server exited cleanly.\n");
  });

  test("reads a file of either kind", async () => {
    const path = mkdtempSync(join(tmpdir(), "summoner-library-"));
    endings.push(() => rmSync(path, { recursive: true }));
    writeFileSync(join(path, "a.toml"), 'port = 0\nname = "toml"\nweb.port = 0\n');
    writeFileSync(join(path, "a.json"), '{"port": 0, "colour": 1}');
    const toml = await serve({}, { configPath: join(path, "a.toml") });
    expect(toml.printed()).toMatch(/relay is ready on [^]*\n[^\n]*web is ready on /);
    expect(toml.printed()).not.toContain("as in the reference");
    const json = await serve({}, { configPath: join(path, "a.json") });
    expect(json.printed()).toContain("a.json:1:13: colour: ignored");
    expect(json.printed()).toContain(
      "a.json: what it does not name is as in the reference server:",
    );
    expect(json.printed()).not.toContain("web is ready");
  });

  test("config wins over configPath", async () => {
    const { join } = await serve(
      {},
      {
        config: { version: "rust", port: 0 },
        configPath: "/nowhere/server.json",
      },
    );
    expect((await join()).isClosed).toBeFalse();
  });

  test("host and port of the configuration win over the arguments", async () => {
    const busy = createServer();
    await new Promise<void>((done) => busy.listen(0, "127.0.0.1", done));
    endings.push(() => busy.close());
    const { port } = busy.address() as { port: number };
    const { address } = await serve(
      {},
      {
        host: "203.0.113.7",
        port,
        config: { host: "127.0.0.1", port: 0 },
      },
    );
    expect(address?.host).toBe("127.0.0.1");
    expect(address?.port).not.toBe(port);
  });

  test("the arguments count where the configuration says nothing", async () => {
    const { address } = await serve(
      {},
      { host: "127.0.0.2", port: 0, config: { version: "rust" } },
    );
    expect(address?.host).toBe("127.0.0.2");
    const busy = address?.port as number;
    const second = new SummonerServer("second", { print: () => {} });
    expect(second.run({ host: "127.0.0.2", port: busy, config: {} })).rejects.toThrow(
      `127.0.0.2:${busy}`,
    );
  });

  test("runServer is the plain backend", async () => {
    const clock = new HandClock();
    const server = new SummonerServer("plain", { clock, print: () => {} });
    const running = server.runServer("127.0.0.1", 0);
    const [address] = await server.listening;
    const peer = await dial(address?.port as number);
    const other = await dial(address?.port as number);
    // Far beyond the rate of the guarded backend.
    const lines = Array.from({ length: 400 }, (_, i) => `${i}`);
    peer.send(`${lines.join("\n")}\n`);
    const first = await Promise.race([other.next(), peer.next()]);
    expect(first).toBe(enveloped(peer, "0"));
    for (const line of lines.slice(1)) expect(await other.next()).toBe(enveloped(peer, line));
    await stop(server, clock, running);
    expect(await other.next()).toBe(SHUTDOWN);
    expect(await other.next()).toBe("Warning: Server disconnected.");
  });

  test("two servers in one process do not know each other", async () => {
    const [one, two] = [await serve(), await serve()];
    const [a, b] = [await one.join(), await one.join()];
    const c = await two.join();
    a.send("x\n");
    await b.next();
    await one.end();
    expect(c.isClosed).toBeFalse();
    expect(c.lines).toEqual([]);
  });
});

describe("what cannot run", () => {
  test("a bad configuration: every problem, from run and listening", async () => {
    const server = new SummonerServer("bad", { print: () => {} });
    const error = await server
      .run({ config: { port: -1, logger: { log_level: "LOUD" } } })
      .catch((error) => error);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.problems).toHaveLength(2);
    expect(error.problems[0]).toStartWith("config: port: found -1");
    expect(error.problems[1]).toStartWith("config: logger.log_level: found");
    expect(error.message).toBe(error.problems.join("\n"));
    expect(await server.listening.catch((error) => error)).toBe(error);
  });

  test("a file that is not there", async () => {
    const server = new SummonerServer();
    const error = await server.run({ configPath: "/nowhere/server.json" }).catch((error) => error);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain("there is no such file");
  });

  test("a busy port", async () => {
    const first = await serve();
    const server = new SummonerServer("second", { print: () => {} });
    const error = await server.run({ config: { port: first.port } }).catch((error) => error);
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain(`relay: cannot listen on 127.0.0.1:`);
    expect(error.message).toContain("(settings: port)");
    expect(await server.listening.catch((error) => error)).toBe(error);
    expect((await first.join()).isClosed).toBeFalse();
  });

  test("a log folder below a file", async () => {
    const server = new SummonerServer("log", { print: () => {} });
    const logger = {
      enable_file_log: true,
      log_file_path: join(import.meta.path, "logs"),
    };
    const error = await server.run({ config: { port: 0, logger } }).catch((error) => error);
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain("logger.log_file_path");
  });

  test("values the arguments bring are checked like any other", async () => {
    const server = new SummonerServer("port", { print: () => {} });
    server.shutdown();
    const error = await server
      .run({ port: 65_536, host: "", config: {} })
      .then(() => null)
      .catch((error) => error);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.problems).toEqual([
      'run: host: found "" (text); allowed: an address or a name, without a port',
      "run: port: found 65536 (a number); allowed: a whole number from 0 to 65535",
    ]);
  });
});

describe("handleClient", () => {
  test("as an option greets before anything else", async () => {
    const { join } = await serve({
      handleClient: (client) => client.send(`welcome ${client.address}\r\nto the room`),
    });
    const a = await join();
    expect(await a.next()).toBe(`welcome ${a.address} to the room`);
    const b = await join();
    a.send("hi\n");
    expect(await b.next()).toBe(`welcome ${b.address} to the room`);
    expect(await b.next()).toBe(enveloped(a, "hi"));
    expect(a.lines).toEqual([]);
  });

  test("as an override greets too, and has its own ids", async () => {
    const ids: number[] = [];
    class Greeter extends SummonerServer {
      override handleClient(client: GreetedClient): void {
        ids.push(client.id);
        client.send("from the subclass");
      }
    }
    const { join } = await serve({}, undefined, Greeter);
    const [a, b] = [await join(), await join()];
    expect(await a.next()).toBe("from the subclass");
    expect(await b.next()).toBe("from the subclass");
    expect(new Set(ids).size).toBe(2);
  });

  test("refuses: a last line, then the end, with its reason", async () => {
    const reasons: Promise<string>[] = [];
    let first = true;
    const { join, port } = await serve({
      handleClient: async (client) => {
        if (first) {
          first = false;
          return;
        }
        reasons.push(client.closed);
        await turn();
        client.close("Warning: not\nyou");
        client.close("Warning: never said");
      },
    });
    const inside = await join();
    const refused = await dial(port);
    refused.send("let me in\n");
    expect(await refused.next()).toBe("Warning: not you");
    expect(await refused.closed).toBe("end");
    expect(refused.lines).toEqual([]);
    expect(await reasons[0]).toBe("refused");
    const silent = await dial(port);
    expect(await silent.next()).toBe("Warning: not you");
    inside.send("alone\n");
    await turn();
    expect(inside.lines).toEqual([]);
    expect(inside.isClosed).toBeFalse();
  });

  test("refuses without a word", async () => {
    const { port } = await serve({ handleClient: (client) => client.close() });
    const peer = await dial(port);
    expect(await peer.closed).toBe("end");
    expect(peer.bytes).toBe(0);
  });

  test("observes what is relayed, not heartbeats nor refused lines", async () => {
    const seen: string[] = [];
    const { join } = await serve(
      {
        handleClient: (client) => client.onLine((line) => seen.push(`${client.address} ${line}`)),
      },
      {
        config: {
          port: 0,
          version: "rust",
          hyper_parameters: { rate_limit_msgs_per_minute: 4 },
        },
      },
    );
    const [a, b] = [await join(), await join()];
    a.send('one\n\n{"n": 1}\r\nfour\nfive\n');
    expect(await a.next()).toStartWith("Warning: You are sending");
    b.send("back\n");
    await a.next();
    expect(seen).toEqual([
      `${a.address} one`,
      `${a.address} {"n": 1}`,
      `${a.address} four`,
      `${b.address} back`,
    ]);
  });

  test("is awaited: what the client sends meanwhile waits, then is relayed in order", async () => {
    const gate = Promise.withResolvers<void>();
    const waiting: string[] = [];
    const { port, join, printed } = await serve({
      handleClient: async (client) => {
        if (waiting.push(client.address) === 2) await gate.promise;
      },
    });
    const listener = await join();
    const late = await dial(port);
    await until(() => waiting.length === 2);
    late.send("one\ntwo\nthr");
    late.send("ee\n");
    const third = await join();
    third.send("from the third\n");
    expect(await listener.next()).toBe(enveloped(third, "from the third"));
    expect(listener.lines).toEqual([]);
    expect(late.bytes).toBe(0);
    expect(printed()).not.toContain(`${late.address} connected`);
    gate.resolve();
    for (const line of ["one", "two", "three"]) {
      expect(await listener.next()).toBe(enveloped(late, line));
      expect(await third.next()).toBe(enveloped(late, line));
    }
    // Lines from before it joined never reach it; new ones do.
    third.send("welcome\n");
    expect(await late.next()).toBe(enveloped(third, "welcome"));
  });

  test("a client that ends while it is greeted is relayed and gone", async () => {
    const gate = Promise.withResolvers<void>();
    const reasons: string[] = [];
    let first = true;
    const { port, join } = await serve({
      handleClient: async (client) => {
        void client.closed.then((reason) => reasons.push(reason));
        if (first) {
          first = false;
          return;
        }
        await gate.promise;
      },
    });
    const listener = await join();
    const brief = await dial(port);
    brief.send("tail without newline");
    brief.half();
    gate.resolve();
    expect(await listener.next()).toBe(enveloped(brief, "tail without newline"));
    expect(await brief.closed).toBe("end");
    await until(() => reasons.length > 0);
    expect(reasons).toEqual(["eof"]);
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("greeting broke");
      },
    ],
    ["rejects", () => Promise.reject(new Error("greeting broke"))],
  ] as const)("one that %s closes that client alone", async (_, fail) => {
    const reasons: string[] = [];
    let calls = 0;
    const { port, join, printed } = await serve({
      handleClient: (client) => {
        if (++calls !== 2) return;
        void client.closed.then((reason) => reasons.push(reason));
        return fail();
      },
    });
    const a = await join();
    const victim = await dial(port);
    await victim.closed;
    expect(victim.bytes).toBe(0);
    const b = await join();
    a.send("still here\n");
    expect(await b.next()).toBe(enveloped(a, "still here"));
    expect(reasons).toEqual(["bug"]);
    expect(printed()).toContain("greeting broke");
  });

  test("an onLine that throws closes that client alone", async () => {
    const { join, printed } = await serve({
      handleClient: (client) =>
        client.onLine((line) => {
          if (line === "break") throw new Error("observer broke");
        }),
    });
    const [a, b, c] = [await join(), await join(), await join()];
    a.send("break\n");
    await a.closed;
    b.send("still here\n");
    expect(await c.next()).toBe(enveloped(b, "still here"));
    expect(printed()).toContain("observer broke");
  });

  test("closed tells the reason of every end", async () => {
    const greeted: GreetedClient[] = [];
    const { join, clock, end } = await serve(
      { handleClient: (client) => void greeted.push(client) },
      {
        config: {
          port: 0,
          version: "rust",
          hyper_parameters: {
            client_timeout_secs: 60,
            timeout_check_interval_secs: 60,
          },
        },
      },
    );
    const leaving = await join();
    leaving.half();
    expect(await greeted[0]?.closed).toBe("eof");
    const idle = await join();
    clock.advance(60_000);
    expect(await greeted[1]?.closed).toBe("idle");
    expect(await idle.next()).toContain("inactivity");
    const told = await join();
    greeted[2]?.send("a word later");
    expect(await told.next()).toBe("a word later");
    greeted[2]?.close();
    expect(await greeted[2]?.closed).toBe("refused");
    await told.closed;
    await join();
    await end();
    expect(await greeted[3]?.closed).toBe("shutdown");
  });

  test("a client kept after its end does no harm", async () => {
    const greeted: GreetedClient[] = [];
    const { join } = await serve({
      handleClient: (client) => void greeted.push(client),
    });
    const a = await join();
    a.end();
    await greeted[0]?.closed;
    greeted[0]?.send("to nobody");
    greeted[0]?.close("to nobody");
    greeted[0]?.onLine(() => {});
    expect((await join()).isClosed).toBeFalse();
  });
});

test.each(Object.keys(presets))("preset %s has no problems", (preset) => {
  const { problems, warnings, config } = load(settings, {
    preset,
    object: {},
  });
  expect(problems).toEqual([]);
  expect(warnings).toEqual([]);
  expect(config).toMatchObject(presets[preset as keyof typeof presets].config);
});

test("a configuration without a version is the plain backend, and the log says so", async () => {
  const printed: string[] = [];
  const server = new SummonerServer("plain", { print: (text) => void printed.push(text) });
  const running = server.run({ config: { port: 0 } });
  await server.listening;
  server.shutdown();
  await running;
  expect(printed.join("")).toContain("config: what it does not name is as in the reference server");
});
