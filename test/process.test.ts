import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dial, ended, enveloped, type Peer, turn, until } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
const READY = /relay is ready on \S+:(\d+)/;
const SHUTDOWN = "Warning: Server is shutting down.";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A relay as a process of its own, ready, in a folder with a configuration file. */
async function start(settings: string, underTerminal = false) {
  const folder = mkdtempSync(join(tmpdir(), "summoner-process-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "summoner.toml");
  const configure = (text: string) => writeFileSync(file, `${text}\n[web]\nenabled = false\n`);
  configure(settings);
  let said = "";
  let waiting: (() => void)[] = [];
  const decoder = new TextDecoder();
  const hear = (bytes: Uint8Array) => {
    said += decoder.decode(bytes, { stream: true });
    for (const look of waiting.splice(0)) look();
  };
  const command = [process.execPath, program];
  const options = { cwd: folder, env: { ...process.env, NO_COLOR: "1" } };
  const child = underTerminal
    ? Bun.spawn(command, {
        ...options,
        terminal: { cols: 200, rows: 50, data: (_, bytes) => hear(bytes) },
      })
    : Bun.spawn(command, {
        ...options,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
      });
  const { stdout } = child;
  const all = (async () => {
    if (stdout instanceof ReadableStream) {
      for await (const bytes of stdout) hear(bytes);
    }
  })();
  endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  let ended = false;
  void Promise.all([child.exited, all]).then(() => {
    ended = true;
    for (const look of waiting.splice(0)) look();
  });
  /** Waits for some output; when it never comes, fails with the output so far. */
  async function says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(said);
      if (found) return found;
      if (ended) throw new Error(`it ended after saying ${said}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }
  const port = Number((await says(READY))[1]);
  return {
    folder,
    port,
    configure,
    says,
    signal: (name: NodeJS.Signals) => child.kill(name),
    async join(from?: string): Promise<Peer> {
      const before = said.length;
      const peer = await dial(port, from);
      endings.push(() => peer.end());
      const address = peer.address.replaceAll(".", "\\.");
      await says(new RegExp(`^[^]{${before},}${address} connected`));
      return peer;
    },
    /** The exit code and all that was said. */
    async exit(): Promise<{ code: number; said: string }> {
      const code = await child.exited;
      await all;
      return { code, said };
    },
    async reload(text: string): Promise<string> {
      const before = said.length;
      configure(text);
      child.kill("SIGHUP");
      const done = /reloaded(?: in part)?\n|the settings stay as they were\n/;
      await says(new RegExp(`^[^]{${before},}(?:${done.source})`));
      return said.slice(before);
    },
  };
}

/** Fills a client that does not read with more than its socket holds. */
async function stuff(server: Awaited<ReturnType<typeof start>>) {
  const slow = await server.join();
  slow.pause();
  const sender = await server.join();
  const block = `${"x".repeat(60_000)}\n`.repeat(50);
  for (let i = 0; i < 20; i++) sender.send(block);
  // Its end is seen after all its lines.
  sender.half();
  await sender.closed;
  return slow;
}

/** Settings under which bytes may wait for a client without a bound in time. */
const ROOMY = `
port = 0
version = "python"
[logger]
log_keys = []
[relay]
outbox_bytes = 1_000_000_000
total_outbox_bytes = 1_000_000_000
`;

const guarded = (...lines: string[]) => ["port = 0", 'version = "rust"', ...lines].join("\n");

describe("a start that fails in a way that nobody foresaw", () => {
  test.each(["throws at once", "throws later", "rejects where nobody waits"])(
    "ends in one line: it %s",
    async (way) => {
      const fixture = join(import.meta.dir, "fixtures", "failing-start.ts");
      const folder = mkdtempSync(join(tmpdir(), "summoner-process-"));
      endings.push(() => rmSync(folder, { recursive: true }));
      const { err, code } = await ended(
        Bun.spawn([process.execPath, fixture, way, "run", "--set", "logger.enable_file_log=true"], {
          cwd: folder,
          stdin: "ignore",
          stdout: "pipe",
          stderr: "pipe",
        }),
      );
      expect({ err, code }).toEqual({ err: "error: TypeError: it is\\nbroken\n", code: 1 });
    },
  );
});

describe.skipIf(process.platform === "win32")("a pause of the whole process", () => {
  test("makes nobody idle whose heartbeats wait in the sockets meanwhile", async () => {
    const server = await start(
      guarded(
        "[hyper_parameters]",
        "client_timeout_secs = 2",
        "timeout_check_interval_secs = 1",
        "[store]",
        "enabled = true",
        "port = 0",
        'durability = "none"',
        "idle_secs = 2",
      ),
    );
    const [, store] = await server.says(/store is ready on \S+:(\d+)/);
    const peers: Peer[] = [];
    let beats = 0;
    const beating = setInterval(() => {
      beats++;
      for (const peer of peers) peer.send("\n");
    }, 100);
    endings.push(() => clearInterval(beating));
    for (let i = 0; i < 20; i++) peers.push(await server.join(), await dial(Number(store)));
    const silent = await server.join();
    server.signal("SIGSTOP");
    const stopped = beats;
    await until(() => beats === stopped + 35);
    server.signal("SIGCONT");
    // Everybody is judged in the same turn, and whoever joined earlier no later.
    expect(await silent.next()).toBe("Warning: You have been disconnected due to inactivity.");
    for (let i = 0; i < 10; i++) await turn();
    expect(peers.filter(({ isClosed }) => isClosed).map(({ address }) => address)).toEqual([]);
    expect(peers.flatMap(({ lines }) => lines)).toEqual([]);
  });
});

test("a server.json with all that the reference takes starts", async () => {
  const folder = mkdtempSync(join(tmpdir(), "summoner-process-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  const logger = {
    log_level: "info",
    console_log_format: "%(levelname)-8s|%(process)d|%(threadName)s|%(filename)s|%(message)s",
    enable_file_log: true,
    log_file_path: join(folder, "logs"),
    max_file_size: 0,
    date_format: "%c",
  };
  const hyper_parameters = { rate_limit_msgs_per_minute: "300" };
  const file = join(folder, "server.json");
  writeFileSync(
    file,
    JSON.stringify({ version: "rust", host: "127.0.0.1", port: "0", logger, hyper_parameters }),
  );
  const child = Bun.spawn([process.execPath, program, "--config", file], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const path = join(folder, "logs", "summoner.log");
  await until(
    () => child.exitCode !== null || (existsSync(path) && READY.test(readFileSync(path, "utf8"))),
  );
  child.kill("SIGTERM");
  const { out, err, code } = await ended(child);
  expect([err, code]).toEqual(["", 0]);
  const line = (level: string) => new RegExp(`^${level}\\|${child.pid}\\|MainThread\\|-\\|`, "m");
  expect(out).toMatch(line("INFO    "));
  expect(out).toMatch(line("WARNING "));
  expect(out).toContain(
    "logger.console_log_format: %(filename)s tells of the reference's own code",
  );
});

describe("a stop", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("by %s drains", async (signal) => {
    const server = await start(guarded());
    const [a, b] = [await server.join(), await server.join()];
    a.send("last words\n");
    expect(await b.next()).toBe(enveloped(a, "last words"));
    server.signal(signal);
    for (const peer of [a, b]) {
      expect(await peer.next()).toBe(SHUTDOWN);
      expect(await peer.closed).toBe("end");
      expect(peer.lines).toEqual([]);
    }
    const { code, said } = await server.exit();
    expect(code).toBe(0);
    expect(said).toContain(`${signal}: draining for at most 5000 ms\n`);
    expect(said.match(/closed: shutdown, /g)).toHaveLength(2);
    expect(said.match(/ is ready on /g)).toHaveLength(1);
    expect(said).toEndWith(" INFO     Server exited cleanly.\n");
  });

  test("of the plain backend says good-bye twice", async () => {
    const server = await start('port = 0\nversion = "python"\n');
    const peer = await server.join();
    server.signal("SIGTERM");
    expect(await peer.next()).toBe(SHUTDOWN);
    expect(await peer.next()).toBe("Warning: Server disconnected.");
    expect((await server.exit()).code).toBe(0);
  });

  test("hands out what is still owed, new clients are refused meanwhile", async () => {
    const server = await start(`drain_ms = 600_000${ROOMY}`);
    const slow = await stuff(server);
    server.signal("SIGTERM");
    await server.says(/SIGTERM: draining for at most 600000 ms\n/);
    await server.says(/closed: shutdown, /);
    expect(await dial(server.port).catch((error) => error.code)).toBe("ECONNREFUSED");
    slow.resume();
    expect(await slow.closed).toBe("end");
    expect(slow.lines).toHaveLength(1002);
    expect(slow.lines.slice(-2)).toEqual([SHUTDOWN, "Warning: Server disconnected."]);
    const { code, said } = await server.exit();
    expect(code).toBe(0);
    expect(said).toEndWith(" Server exited cleanly.\n");
  });

  test("first relays what had reached this machine", async () => {
    const server = await start(ROOMY);
    const [sender, listener] = [await server.join(), await server.join()];
    const count = 20_000;
    const lines = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(100)}`);
    // As on a busy machine: all of it waits in the sockets when the signal comes.
    server.signal("SIGSTOP");
    await sender.sent(`${lines.join("\n")}\n`);
    server.signal("SIGTERM");
    server.signal("SIGCONT");
    expect(await listener.closed).toBe("end");
    expect(listener.lines.splice(-2)).toEqual([SHUTDOWN, "Warning: Server disconnected."]);
    expect(listener.lines).toEqual(lines.map((line) => enveloped(sender, line)));
    expect((await server.exit()).code).toBe(0);
  });

  test("waits no longer than drain_ms", async () => {
    const server = await start(`drain_ms = 1${ROOMY}`);
    await stuff(server);
    server.signal("SIGTERM");
    const { code, said } = await server.exit();
    expect(code).toBe(0);
    expect(said).toEndWith(" Server exited cleanly.\n");
  });

  /** A start that waits for a module which loads for ever. */
  async function starting(key: "handler" | "ticker", drainMs: number) {
    const folder = mkdtempSync(join(tmpdir(), "summoner-process-"));
    endings.push(() => rmSync(folder, { recursive: true }));
    const loading = join(folder, "loading");
    writeFileSync(
      join(folder, "slow.ts"),
      `await Bun.write(${JSON.stringify(loading)}, "");
      await new Promise(() => {});
      export default {};`,
    );
    writeFileSync(
      join(folder, "summoner.toml"),
      `port = 0\ndrain_ms = ${drainMs}\n[web]\nport = 0\n${key} = "./slow.ts"\n`,
    );
    const child = Bun.spawn([process.execPath, program], {
      cwd: folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    endings.push(() => child.kill("SIGKILL"));
    await until(() => existsSync(loading) || child.exitCode !== null);
    return child;
  }

  test.each(["handler", "ticker"] as const)("ends a start that waits for a %s", async (key) => {
    const child = await starting(key, 100);
    // This one would be heeded once all services run.
    child.kill("SIGHUP");
    child.kill("SIGTERM");
    const { out, err, code } = await ended(child);
    expect({ err, code }).toEqual({ err: "", code: 0 });
    // On a busy machine even a ticker that does nothing may take longer than that to stop.
    expect(out).toMatch(
      /SIGTERM: draining for at most 100 ms\n(.* ticker \.\/slow\.ts has not stopped in time and is cut\n)?.*Server exited cleanly\.\n$/,
    );
    expect(out).not.toMatch(/ is ready on |reloaded/);
  });

  test("by a second signal cuts a start", async () => {
    const child = await starting("handler", 600_000);
    child.kill("SIGTERM");
    child.kill("SIGINT");
    const { out, code } = await ended(child);
    expect(code).toBe(1);
    expect(out).toEndWith(" cut by a second signal\n");
  });

  test("a second signal cuts", async () => {
    const server = await start(`drain_ms = 600_000${ROOMY}`);
    await stuff(server);
    server.signal("SIGTERM");
    await server.says(/SIGTERM: draining/);
    server.signal("SIGINT");
    const { code, said } = await server.exit();
    expect(code).toBe(1);
    expect(said).toContain(" cut by a second signal\n");
    expect(said).not.toContain("exited cleanly");
  });

  test("SIGHUP during a drain does nothing", async () => {
    const server = await start(`drain_ms = 600_000${ROOMY}`);
    const slow = await stuff(server);
    server.signal("SIGTERM");
    await server.says(/SIGTERM: draining/);
    server.signal("SIGHUP");
    slow.resume();
    await slow.closed;
    const { code, said } = await server.exit();
    expect(code).toBe(0);
    expect(said).not.toContain("reloaded");
  });
});

describe("SIGHUP", () => {
  const rate = (limit: number) =>
    guarded("[hyper_parameters]", `rate_limit_msgs_per_minute = ${limit}`);
  const SLOW_DOWN = "Warning: You are sending messages too quickly. Please slow down.";

  /** Sends two lines as a new client; whether the second is refused. */
  async function limited(
    server: Awaited<ReturnType<typeof start>>,
    listener: Peer,
  ): Promise<boolean> {
    const sender = await server.join();
    sender.send("one\ntwo\n");
    expect(await listener.next()).toBe(enveloped(sender, "one"));
    const second = await Promise.race([sender.next(), listener.next()]);
    sender.end();
    return second === SLOW_DOWN;
  }

  test("changes the rate limit of those who come", async () => {
    const server = await start(rate(2));
    const listener = await server.join();
    expect(await limited(server, listener)).toBeFalse();
    const said = await server.reload(rate(1));
    expect(said).toContain("hyper_parameters.rate_limit_msgs_per_minute: 2 -> 1\n");
    expect(said).toEndWith("reloaded\n");
    const later = await server.join();
    expect(await limited(server, later)).toBeTrue();
    expect(listener.isClosed).toBeFalse();
  });

  test("closes who may not be in any more, and nobody else", async () => {
    const server = await start(guarded());
    const [a, b] = [await server.join(), await server.join()];
    const out = await server.join("127.0.0.2");
    await server.reload(guarded("[access]", 'deny = ["127.0.0.2/32"]'));
    expect(await out.next()).toBe("Warning: Your address may not connect to this server.");
    expect(await out.closed).toBe("end");
    const again = await dial(server.port, "127.0.0.2");
    expect(await again.next()).toStartWith("Warning: Your address may not");
    a.send("still here\n");
    expect(await b.next()).toBe(enveloped(a, "still here"));
    await server.reload(guarded());
    const back = await server.join("127.0.0.2");
    back.send("back\n");
    expect(await b.next()).toBe(enveloped(back, "back"));
  });

  test("says what takes a restart and applies the rest", async () => {
    const server = await start(rate(2));
    const said = await server.reload(rate(1).replace("port = 0", 'port = 1\nname = "other"'));
    expect(said).toMatch(/WARNING +port: 0 -> 1 takes a restart\n/);
    expect(said).toMatch(/WARNING +name: "summoner" -> "other" takes a restart\n/);
    expect(said).toMatch(/INFO +hyper_parameters\.rate_limit\S+: 2 -> 1\n/);
    expect(await limited(server, await server.join())).toBeTrue();
  });

  test("says so until the restart, and not when it is taken back", async () => {
    const server = await start(guarded());
    const moved = guarded("drain_ms = 7").replace("port = 0", "port = 1");
    for (let i = 0; i < 2; i++)
      expect(await server.reload(moved)).toContain("port: 0 -> 1 takes a restart\n");
    const said = await server.reload(guarded("drain_ms = 7"));
    expect(said).not.toContain("port:");
    expect(said).not.toContain("drain_ms");
    server.signal("SIGTERM");
    await server.says(/draining for at most 7 ms/);
    expect((await server.exit()).code).toBe(0);
  });

  test("with a bad file keeps everything and tells every problem", async () => {
    const server = await start(rate(2));
    const said = await server.reload(`prot = 1\n${rate(0)}`);
    expect(said).toMatch(/ERROR +summoner\.toml:1:1: prot: unknown key; did you mean port\?\n/);
    expect(said).toMatch(
      /ERROR +summoner\.toml:5:1: hyper_parameters\.rate_limit_msgs_per_minute: found 0/,
    );
    expect(said).toEndWith("the settings stay as they were\n");
    expect(said).not.toContain("reloaded");
    expect(await limited(server, await server.join())).toBeFalse();
    // The next good file counts from what is in force.
    expect(await server.reload(rate(1))).toContain("minute: 2 -> 1\n");
  });

  test("with a log folder that cannot be written keeps the log", async () => {
    const server = await start(guarded());
    const said = await server.reload(
      guarded("[logger]", "enable_file_log = true", 'log_file_path = "summoner.toml/logs"'),
    );
    expect(said).toMatch(
      /ERROR +summoner\.toml:5:1: logger\.log_file_path: cannot write \S+summoner\.log: .*\n/,
    );
    expect(said).toMatch(/ERROR +not applied: logger.enable_file_log, logger.log_file_path\n/);
    expect(said).toEndWith("the settings stay as they were\n");
    const peer = await server.join();
    server.signal("SIGTERM");
    expect(await peer.next()).toBe(SHUTDOWN);
    expect((await server.exit()).code).toBe(0);
  });

  test("with a file that will not do keeps everything, and says what stays", async () => {
    const server = await start(rate(2));
    const pair = '[tls]\ncert = "summoner.toml"\nkey = "gone.key"\n';
    const said = await server.reload(`${rate(1)}\n${pair}`);
    const lines = said.match(/(?<=ERROR +)\S.*/g);
    expect(lines).toEqual([
      "summoner.toml:7:1: tls.key: cannot read gone.key: there is no such file",
      "summoner.toml:6:1: tls.cert: summoner.toml holds no PEM, no certificate",
      "not applied: hyper_parameters.rate_limit_msgs_per_minute, tls.cert, tls.key",
      "the settings stay as they were",
    ]);
    expect(said).not.toContain("2 -> 1");
    expect(await limited(server, await server.join())).toBeFalse();
  });

  test("warns of what the next start would refuse", async () => {
    const server = await start(guarded());
    const own = ["[store]", "enabled = true", 'path = "summoner.toml"'];
    const said = await server.reload(guarded("drain_ms = 7", ...own));
    expect(said).toMatch(
      /WARNING +summoner\.toml:6:1: store\.path: cannot write summoner\.toml: it is no folder; the next start would be refused\n/,
    );
    expect(said).toContain("drain_ms: 5000 -> 7\n");
    expect(said).toEndWith("reloaded\n");
  });

  test("does not show a secret that changed", async () => {
    const pair = ["[tls]", 'cert = "a"', 'key = "b"'];
    const plain = ["relay", "web"].map((name) => `[${name}.tls]\ncert = ""\nkey = ""`);
    const server = await start(guarded(...plain, ...pair));
    const said = await server.reload(guarded(...plain, ...pair, 'passphrase = "open sesame"'));
    expect(said).toContain('tls.passphrase: "" -> "********"\n');
    expect(said).not.toContain("sesame");
  });

  // There are no pseudo-terminals of this kind on Windows.
  test.skipIf(process.platform === "win32")(
    "under a terminal means that it has gone: drain",
    async () => {
      const server = await start(guarded(), true);
      const peer = await server.join();
      server.signal("SIGHUP");
      expect(await peer.next()).toBe(SHUTDOWN);
      await server.says(/SIGHUP: draining/);
      expect((await server.exit()).code).toBe(0);
    },
  );
});

describe("the log on disk", () => {
  const entries = (folder: string, name: string) =>
    readFileSync(join(folder, "logs", name), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  const toFile = (...lines: string[]) =>
    guarded("[logger]", "enable_file_log = true", "enable_json_log = true", ...lines).replace(
      "port = 0",
      'port = 0\nname = "room:1"',
    );

  test("holds every line and the last word after a clean stop", async () => {
    const server = await start(toFile().replace("[logger]", "drain_ms = 4000\n[logger]"));
    const [a, b] = [await server.join(), await server.join()];
    const contents = Array.from({ length: 200 }, (_, i) => `{"n": ${i}}`);
    a.send(`${contents.join("\n")}\nplain text\n`);
    for (const content of [...contents, "plain text"])
      expect(await b.next()).toBe(enveloped(a, content));
    server.signal("SIGTERM");
    expect((await server.exit()).code).toBe(0);
    const found = entries(server.folder, "room_1.log");
    for (const entry of found) {
      expect(Object.keys(entry)).toEqual(["timestamp", "name", "level", "message"]);
      expect(entry.name).toBe("room:1");
      expect(entry.timestamp).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
    }
    const traffic = found.filter(({ message }) => typeof message === "object");
    expect(traffic.map(({ level }) => level)).toEqual(Array.from({ length: 201 }, () => "INFO"));
    expect(traffic.map(({ message }) => message)).toEqual([
      ...contents.map((content) => ({
        remote_addr: a.address,
        content: JSON.parse(content),
      })),
      { remote_addr: a.address, content: "plain text" },
    ]);
    const said = found.map(({ message }) => message);
    expect(said.at(-1)).toBe("Server exited cleanly.");
    expect(said).toContain("SIGTERM: draining for at most 4000 ms");
  });

  test("log_keys prunes what reaches the disk, not what is relayed", async () => {
    const server = await start(toFile('log_keys = ["type"]'));
    const [a, b] = [await server.join(), await server.join()];
    const typed =
      '{"_version":"1","_payload":{"type":"chat","text":"hush"},"_type":{"type":"str","text":"hush"}}';
    const lines = [typed, '{"type":"flat","text":"hush"}', "hush", '["hush"]'];
    a.send(`${lines.join("\n")}\n`);
    for (const line of lines) expect(await b.next()).toBe(enveloped(a, line));
    server.signal("SIGTERM");
    const { code, said } = await server.exit();
    expect(code).toBe(0);
    expect(said).not.toContain("hush");
    const text = readFileSync(join(server.folder, "logs", "room_1.log"), "utf8");
    expect(text).not.toContain("hush");
    expect(text).toContain('"chat"');
    expect(text).toContain('"flat"');
    const traffic = entries(server.folder, "room_1.log").filter(
      ({ message }) => typeof message === "object",
    );
    expect(traffic).toHaveLength(4);
  });

  test("is begun anew at SIGHUP where it was moved away, even when the settings have a problem", async () => {
    const server = await start(toFile());
    const path = join(server.folder, "logs", "room_1.log");
    await until(() => readFileSync(path, "utf8").includes("relay is ready"));
    renameSync(path, `${path}.moved`);
    await server.reload(toFile("nonsense = 1"));
    await server.says(/logs\/room_1\.log was moved or removed; it is begun anew\n/);
    server.signal("SIGTERM");
    expect((await server.exit()).code).toBe(0);
    const messages = entries(server.folder, "room_1.log").map(({ message }) => message);
    expect(messages.some((one) => /nonsense: unknown key/.test(one))).toBe(true);
    expect(messages.some((one) => /is ready/.test(one))).toBe(false);
    expect(readFileSync(`${path}.moved`, "utf8")).toContain("relay is ready");
  });

  test("a cut leaves its reason on disk", async () => {
    const server = await start(
      `drain_ms = 600_000${ROOMY.replace("[logger]", "[logger]\nenable_file_log = true")}`,
    );
    await stuff(server);
    server.signal("SIGTERM");
    await server.says(/SIGTERM: draining/);
    server.signal("SIGTERM");
    expect((await server.exit()).code).toBe(1);
    const text = readFileSync(join(server.folder, "logs", "summoner.log"), "utf8");
    expect(text).toEndWith("WARNING - cut by a second signal\n");
  });
});
