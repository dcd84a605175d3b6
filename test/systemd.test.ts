import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { withoutPackages } from "../lib/cli/service.ts";
import { inheritedSocket } from "../lib/net/tcp/inherited.ts";
import { boot, dial, enveloped, openssl, type Peer, selfSigned } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
const python = process.platform === "linux" ? Bun.which("python3") : null;
const ipv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);
const analyze = Bun.which("systemd-analyze");
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-systemd-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A process and what it says on standard output, which `says` waits for. */
function spawn(cmd: string[], cwd: string, env: Record<string, string> = {}) {
  const child = Bun.spawn(cmd, {
    cwd,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  let said = "";
  let ended = false;
  let look = () => {};
  const all = (async () => {
    for await (const bytes of child.stdout) {
      said += Buffer.from(bytes).toString();
      look();
    }
    ended = true;
    look();
  })();
  const complaints = child.stderr.text();
  return {
    child,
    said: () => said,
    /** Waits until it has said something, after the first `from` characters. */
    async says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
      for (;;) {
        const found = pattern.exec(said.slice(from));
        if (found) return found;
        if (ended) throw new Error(`it ended after ${said} ${await complaints}`);
        await new Promise<void>((resolve) => (look = resolve));
      }
    },
    async ends() {
      const code = await child.exited;
      await all;
      return { code, said, complaints: await complaints };
    },
  };
}

type Program = ReturnType<typeof spawn>;
const READY = /relay is ready on (\S+):(\d+)/;

/** A server in a folder of its own. */
function serve(env: Record<string, string>, settings = "", before: readonly string[] = []) {
  const folder = temporary();
  const configure = (text: string) =>
    writeFileSync(join(folder, "summoner.toml"), `port = 0\nweb.enabled = false\n${text}`);
  configure(settings);
  const server = spawn([...before, process.execPath, program], folder, env);
  return { ...server, folder, configure };
}

/** A client that the server knows of. */
async function joined(server: Program, port: number, host?: string): Promise<Peer> {
  const before = server.said().length;
  const peer = await dial(port, undefined, host);
  endings.push(() => peer.end());
  await server.says(/ connected /, before);
  return peer;
}

async function reload(server: ReturnType<typeof serve>, settings: string): Promise<string> {
  const before = server.said().length;
  server.configure(settings);
  server.child.kill("SIGHUP");
  await server.says(/reloaded(?: in part)?\n|the settings stay as they were\n/, before);
  return server.said().slice(before);
}

describe.skipIf(!python)("whoever supervises the server", () => {
  const LISTENER = `
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
while True:
    text = s.recv(65536).decode()
    print(json.dumps({"at": time.monotonic_ns() // 1000, "text": text}), flush=True)
`;

  interface Message {
    at: number;
    fields: Record<string, string>;
  }

  /** A supervisor that prints what it is told. */
  async function supervise(name = join(temporary(), "notify")) {
    const listener = spawn([python as string, "-u", "-c", LISTENER, name], temporary());
    await listener.says(/bound\n/);
    const messages = (): Message[] =>
      listener
        .said()
        .split("\n")
        .slice(1, -1)
        .map((line) => {
          const { at, text } = JSON.parse(line) as { at: number; text: string };
          const pairs = text.split("\n").map((field) => field.split(/=(.*)/s).slice(0, 2));
          return { at, fields: Object.fromEntries(pairs) };
        });
    let heard = 0;
    return {
      env: { NOTIFY_SOCKET: name },
      messages,
      /** The next message. */
      async next(): Promise<Message> {
        await listener.says(new RegExp(`^(?:.*\n){${++heard + 1}}`));
        return messages()[heard - 1] as Message;
      },
    };
  }

  test.each(["a path", "an abstract name"])("hears all of it, by %s", async (kind) => {
    const name = kind === "a path" ? undefined : `@summoner-${process.pid}-${Date.now()}`;
    const supervisor = await supervise(name);
    const server = serve(supervisor.env);
    const ready = await supervisor.next();
    const [, host, port] = await server.says(READY);
    expect(ready.fields).toEqual({
      READY: "1",
      STATUS: `relay is ready on ${host}:${port}`,
      MAINPID: `${server.child.pid}`,
    });
    const peer = await joined(server, Number(port));

    await reload(server, "drain_ms = 7_000\nname = 'other'");
    const reloading = await supervisor.next();
    expect(reloading.fields).toEqual({
      RELOADING: "1",
      MONOTONIC_USEC: expect.stringMatching(/^\d+$/),
      STATUS: "reloading",
    });
    const since = Number(reloading.fields["MONOTONIC_USEC"]);
    expect(since).toBeGreaterThan(ready.at);
    expect(since).toBeLessThanOrEqual(reloading.at);
    expect((await supervisor.next()).fields).toMatchObject({
      READY: "1",
      STATUS: "reloaded, 1 setting changed; name as before until a restart",
    });

    server.child.kill("SIGTERM");
    expect((await supervisor.next()).fields).toEqual({
      STOPPING: "1",
      STATUS: "SIGTERM: draining for at most 7000 ms",
      EXTEND_TIMEOUT_USEC: "12000000",
    });
    expect(await peer.next()).toBe("Warning: Server is shutting down.");
    expect((await server.ends()).code).toBe(0);
    expect(supervisor.messages()).toHaveLength(4);
  });

  test("hears on one line why a reload failed, and that the server goes on", async () => {
    const supervisor = await supervise();
    const server = serve(supervisor.env);
    await supervisor.next();
    await server.says(READY);
    await reload(server, "[logger\n");
    expect((await supervisor.next()).fields).toHaveProperty("RELOADING");
    const { fields } = await supervisor.next();
    expect(Object.keys(fields)).toEqual(["READY", "STATUS", "MAINPID"]);
    expect(fields["STATUS"]).toMatch(/^summoner\.toml:.* not valid TOML: .* stay as they were$/);
  });

  test("hears signs of life where it waits for them, and only there", async () => {
    const [ours, other] = [await supervise(), await supervise()];
    const unwatched = serve({ ...other.env, WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" });
    await other.next();
    const watched = serve({ ...ours.env, WATCHDOG_USEC: "100000" }, "", [
      "sh",
      "-c",
      'WATCHDOG_PID=$$ exec "$@"',
      "-",
    ]);
    const heard: Message[] = [];
    for (let i = 0; i < 6; i++) heard.push(await ours.next());
    expect(heard.map(({ fields }) => Object.keys(fields)[0])).toEqual([
      "READY",
      ...Array.from({ length: 5 }, () => "WATCHDOG"),
    ]);
    unwatched.child.kill("SIGTERM");
    await unwatched.ends();
    expect(other.messages().flatMap(({ fields }) => Object.keys(fields))).not.toContain("WATCHDOG");
    watched.child.kill("SIGTERM");
    expect((await watched.ends()).code).toBe(0);
  });

  test("may be gone: one warning, and the server serves", async () => {
    const server = serve({ NOTIFY_SOCKET: join(temporary(), "nowhere") });
    const [, , port] = await server.says(READY);
    await joined(server, Number(port));
    await reload(server, "drain_ms = 7");
    server.child.kill("SIGTERM");
    const { code, said } = await server.ends();
    expect(code).toBe(0);
    expect(said.match(/WARNING .*NOTIFY_SOCKET.*\n/g)).toEqual([
      expect.stringContaining("the supervisor that NOTIFY_SOCKET names does not take"),
    ]);
  });
});

describe.skipIf(!python)("a socket that is handed over", () => {
  /** Binds a socket, says where, and becomes what it is told to, with the socket as descriptor 3. */
  const PARENT = `
import os, socket, sys
kind, command = sys.argv[1], sys.argv[2:]
if kind == "unix":
    s = socket.socket(socket.AF_UNIX)
    s.bind("\\0summoner-%d" % os.getpid())
elif kind == "datagrams":
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
else:
    s = socket.socket(socket.AF_INET6 if ":" in kind else socket.AF_INET)
    s.bind((kind if kind[0] in ":1" else "127.0.0.1", 0))
if kind not in ("bound", "datagrams"):
    s.listen()
if kind != "none":
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
print("bound", s.getsockname()[1] if s.family != socket.AF_UNIX else "", flush=True)
os.environ.setdefault("LISTEN_FDS", "1")
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.execv(command[0], command)
`;

  async function activated(kind = "127.0.0.1", settings = "", env: Record<string, string> = {}) {
    const server = serve(env, settings, [python as string, "-c", PARENT, kind]);
    const [, port] = await server.says(/bound (\d*)\n/);
    return { ...server, port: Number(port) };
  }

  test("is what the relay listens on", async () => {
    const names = { LISTEN_FDNAMES: "relay" };
    const server = await activated("127.0.0.1", "", names);
    const [, host, port] = await server.says(READY);
    expect([host, Number(port)]).toEqual(["127.0.0.1", server.port]);
    const [a, b, c] = [
      await joined(server, server.port),
      await joined(server, server.port),
      await joined(server, server.port),
    ];
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`);
    a.send(`${lines.join("\n")}\nlast words`);
    // It may send its end and still be heard.
    a.half();
    for (const line of [...lines, "last words"]) {
      expect(await b.next()).toBe(enveloped(a, line));
      expect(await c.next()).toBe(enveloped(a, line));
    }
    expect(await a.closed).toBe("end");
    server.child.kill("SIGTERM");
    for (const peer of [b, c]) {
      expect(await peer.next()).toBe("Warning: Server is shutting down.");
      expect(await peer.closed).toBe("end");
    }
    const { code, said } = await server.ends();
    expect(code).toBe(0);
    expect(said).toEndWith(" Server exited cleanly.\n");
  });

  test("is served by one thread, whatever is set, and the log says why", async () => {
    const settings = "[hyper_parameters]\nworker_threads = 2\n";
    const server = await activated("127.0.0.1", settings);
    await server.says(
      /WARNING +relay: one thread serves, not 2 \(worker_threads\): threads cannot share a socket that a service manager hands over\n/,
    );
    await server.says(READY);
    const [a, b] = [await joined(server, server.port), await joined(server, server.port)];
    a.send("hello\n");
    expect(await b.next()).toBe(enveloped(a, "hello"));
  });

  test.skipIf(!ipv6)("may be one of IPv6", async () => {
    const server = await activated("::1");
    const [, host, port] = await server.says(READY);
    expect([host, Number(port)]).toEqual(["[::1]", server.port]);
    await joined(server, server.port, "::1");
  });

  test("holds those who came before the server was ready", async () => {
    // The socket listens as soon as its port is known, the server takes a while.
    const server = await activated();
    const early = await dial(server.port);
    endings.push(() => early.end());
    const peer = await joined(server, server.port);
    early.send("early\n");
    expect(await peer.next()).toBe(enveloped(early, "early"));
  });

  test("of another process is left alone", async () => {
    const server = await activated("127.0.0.1", "", { LISTEN_PID: "1" });
    const [, , port] = await server.says(READY);
    expect(Number(port)).not.toBe(server.port);
    await joined(server, Number(port));
  });

  test.skipIf(!openssl)("stays when a reload brings certificates", async () => {
    const server = await activated();
    await server.says(READY);
    const before = await joined(server, server.port);
    const tls = selfSigned(server.folder);
    const settings = `[tls]\ncert = "${tls.cert}"\nkey = "${tls.key}"\n`;
    for (let i = 0; i < 3; i++) {
      expect(await reload(server, settings)).toEndWith("reloaded\n");
      const to = ["--config", join(server.folder, "summoner.toml"), "--port", `${server.port}`];
      const client = spawn(
        [process.execPath, program, "send", `over TLS ${i}`, ...to],
        server.folder,
      );
      expect(await client.ends()).toEqual({ code: 0, said: "", complaints: "" });
      expect(JSON.parse(await before.next()).content).toBe(`over TLS ${i}`);
      expect(await reload(server, "")).toEndWith("reloaded\n");
      const after = await joined(server, server.port);
      after.send("plain again\n");
      expect(await before.next()).toBe(enveloped(after, "plain again"));
    }
    expect(server.said()).not.toContain("trying again");
  });

  test.each([
    [
      "127.0.0.1",
      { LISTEN_FDS: "2" },
      "the service manager hands over 2 sockets (LISTEN_FDS); it takes one",
    ],
    [
      "127.0.0.1",
      { LISTEN_FDNAMES: "summoner.socket" },
      "the service manager hands over a socket called summoner.socket (LISTEN_FDNAMES); it takes one called relay",
    ],
    [
      "unix",
      {},
      "the service manager hands over descriptor 3, which is no listening TCP socket (LISTEN_FDS)",
    ],
    [
      "datagrams",
      {},
      "the service manager hands over descriptor 3, which is no listening TCP socket (LISTEN_FDS)",
    ],
    [
      "bound",
      {},
      "the service manager hands over descriptor 3, which is no listening TCP socket (LISTEN_FDS)",
    ],
    [
      "none",
      {},
      "the service manager hands over descriptor 3, which is no listening TCP socket (LISTEN_FDS)",
    ],
  ])("%s with %j is refused in one line", async (kind, env, why) => {
    const server = await activated(kind, "", env);
    const { code, said, complaints } = await server.ends();
    expect(complaints).toBe(`error: relay: ${why}\n`);
    expect(code).toBe(1);
    expect(said).not.toContain("is ready on");
  });

  test("is told of once, to the service that takes one", async () => {
    const before = { ...process.env };
    const told = { LISTEN_PID: `${process.pid}`, LISTEN_FDS: "7", LISTEN_FDNAMES: "a:b" };
    try {
      Object.assign(process.env, told);
      await (await boot("store")).stop();
      expect(process.env).toMatchObject(told);
      expect(() => inheritedSocket("relay")).toThrow("7 sockets");
      for (const key of Object.keys(told)) expect(process.env).not.toHaveProperty(key);
      expect(inheritedSocket("relay")).toBeNull();
    } finally {
      for (const key of Object.keys(told)) {
        if (before[key] === undefined) delete process.env[key];
        else process.env[key] = before[key];
      }
    }
  });
});

describe("service systemd", () => {
  const hidden = /^warning: \S+ is hidden from the service; .*\n/gm;

  /** Runs it in a folder with a configuration. */
  async function unit(settings: string | null, ...args: string[]) {
    const folder = temporary();
    if (settings !== null) writeFileSync(join(folder, "summoner.toml"), settings);
    const { code, said, complaints } = await spawn(
      [process.execPath, program, "service", "systemd", ...args],
      folder,
    ).ends();
    const has = (key: string) =>
      said
        .split("\n")
        .filter((line) => line.startsWith(`${key}=`))
        .map((line) => line.slice(key.length + 1));
    return { folder, code, said, complaints: complaints.replace(hidden, ""), has };
  }

  test("runs this program with this configuration", async () => {
    const { folder, code, complaints, said, has } = await unit('version = "rust"\n');
    expect([code, complaints]).toEqual([0, ""]);
    expect(has("Type")).toEqual(["notify"]);
    expect(has("ExecStart")).toEqual([
      `${process.execPath} run ${program} run --config ${folder}/summoner.toml`,
    ]);
    expect(has("ExecReload")).toEqual(["/bin/kill -HUP $MAINPID"]);
    expect(has("WorkingDirectory")).toEqual([folder]);
    expect(has("Restart")).toEqual(["on-failure"]);
    expect(has("WatchdogSec")).toEqual(["30"]);
    expect(has("TimeoutStopSec")).toEqual(["10"]);
    expect(has("LimitNOFILE")).toEqual(["1048576"]);
    expect(has("MemoryDenyWriteExecute")).toEqual(["no"]);
    expect(has("CapabilityBoundingSet")).toEqual([""]);
    expect(has("AmbientCapabilities")).toEqual([]);
    expect(said).not.toMatch(/(Logs|State)Directory|ReadWritePaths/);
    for (const line of [
      "DynamicUser=yes",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "ProtectHome=yes",
      "PrivateTmp=yes",
      "PrivateDevices=yes",
      "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
      "SystemCallFilter=@system-service",
      "WantedBy=multi-user.target",
    ]) {
      expect(said).toContain(`\n${line}\n`);
    }
  });

  test("takes along what the command line says, quoted", async () => {
    const args = ["--preset", "chat", "--set", 'name="a $b %c"', "--port", "9000"];
    const { has } = await unit(null, ...args);
    expect(has("ExecStart")).toEqual([
      `${process.execPath} run ${program} run --preset chat --set "name=\\"a $$b %%c\\"" --port 9000`,
    ]);
    expect(has("WorkingDirectory")).toEqual([]);
  });

  test("follows the settings", async () => {
    const low = await unit("port = 80\ndrain_ms = 61_500\n");
    expect(low.has("TimeoutStopSec")).toEqual(["67"]);
    expect(low.has("CapabilityBoundingSet")).toEqual(["CAP_NET_BIND_SERVICE"]);
    expect(low.has("AmbientCapabilities")).toEqual(["CAP_NET_BIND_SERVICE"]);
    const off = await unit("port = 80\n[relay]\nenabled = false\n");
    expect(off.has("AmbientCapabilities")).toEqual([]);
  });

  test.each([
    ["./logs", "LogsDirectory", "summoner"],
    ["/var/log/some/where", "LogsDirectory", "some/where"],
    ["/var/lib/some where", "StateDirectory", '"some where"'],
    ["/srv/logs", "ReadWritePaths", "/srv/logs"],
  ])("lets it log to %s", async (path, key, value) => {
    const { has } = await unit(`[logger]\nenable_file_log = true\nlog_file_path = "${path}"\n`);
    expect(has(key)).toEqual([value]);
    const moved = " --set logger.log_file_path=/var/log/summoner";
    const [command] = has("ExecStart") as [string];
    expect(command.endsWith(moved)).toBe(path.startsWith("."));
  });

  test.each([
    ["./data/store", "StateDirectory", "summoner/store"],
    ["/var/lib/some where", "StateDirectory", '"some where"'],
    ["/srv/keys", "ReadWritePaths", "/srv/keys"],
  ])("lets it keep keys in %s", async (path, key, value) => {
    const section = (more: string) => `[store]\nenabled = true\npath = "${path}"\n${more}`;
    const { has } = await unit(section(""));
    expect(has(key)).toEqual([value]);
    const moved = " --set store.path=/var/lib/summoner/store";
    const [command] = has("ExecStart") as [string];
    expect(command.endsWith(moved)).toBe(path.startsWith("."));
    for (const more of ['durability = "none"', 'mode = "echo"']) {
      expect((await unit(section(more))).has(key)).toEqual([]);
    }
    const low = await unit("[store]\nenabled = true\nport = 1023\n");
    expect(low.has("AmbientCapabilities")).toEqual(["CAP_NET_BIND_SERVICE"]);
  });

  test.each([
    ["logs/all.log", "LogsDirectory", "summoner"],
    ["/var/log/some/where/all.log", "LogsDirectory", "some/where"],
    ["/srv/logs/all.log", "ReadWritePaths", "/srv/logs"],
  ])("lets it collect logs in %s", async (path, key, value) => {
    const section = `[collector]\nenabled = true\npath = "${path}"\n`;
    const { has } = await unit(section);
    expect(has(key)).toEqual([value]);
    expect(has("AmbientCapabilities")).toEqual([]);
    const moved = " --set collector.path=/var/log/summoner/all.log";
    const [command] = has("ExecStart") as [string];
    expect(command.endsWith(moved)).toBe(path.startsWith("logs"));
    const more = "syslog = true\nsyslog_port = 514\n[logger]\nenable_file_log = true\n";
    const low = await unit(section + more);
    expect(low.has("AmbientCapabilities")).toEqual(["CAP_NET_BIND_SERVICE"]);
    expect(low.has("LogsDirectory").filter((one) => one === "summoner")).toHaveLength(1);
  });

  test("--socket prints where the relay listens", async () => {
    const { code, complaints, has } = await unit('host = "::1"\nport = 9000\n', "--socket");
    expect([code, complaints]).toEqual([0, ""]);
    expect(has("ListenStream")).toEqual(["[::1]:9000"]);
    expect(has("FileDescriptorName")).toEqual(["relay"]);
    expect(has("WantedBy")).toEqual(["sockets.target"]);
  });

  test.each([
    ["port = 0", 1, "port: systemd takes no port 0, give another one"],
    ['host = "localhost"', 1, "host: systemd takes no name (localhost), give an address"],
    ["relay.enabled = false", 1, "the relay is off, and no other service takes a socket"],
    ["prot = 1", 2, "summoner.toml:1:1: prot: unknown key; did you mean port?"],
  ])("--socket with %s is refused", async (settings, exit, why) => {
    const { code, said, complaints } = await unit(`${settings}\n`, "--socket");
    expect([code, said, complaints]).toEqual([exit, "", `error: ${why}\n`]);
  });

  test("warns of what the service would not see", async () => {
    const folder = temporary();
    const config = join(folder, "own.toml");
    writeFileSync(config, "");
    const command = [process.execPath, program, "service", "systemd", "--config", config];
    const { complaints } = await spawn(command, folder).ends();
    expect(complaints).toContain(
      `warning: ${config} is hidden from the service; put it where ProtectHome and PrivateTmp do not hide it\n`,
    );
  });

  test("a checkout without packages is warned of", () => {
    const folder = temporary();
    const main = join(folder, "index.ts");
    expect(withoutPackages(main)).toContain("run bun install there first");
    mkdirSync(join(folder, "node_modules"));
    expect([withoutPackages(main), withoutPackages("/usr/bin/summoner")]).toEqual([null, null]);
  });

  test.skipIf(!analyze)("systemd finds nothing wrong with it", async () => {
    const units = temporary();
    const settings =
      'port = 80\n[logger]\nenable_file_log = true\nlog_file_path = "/srv/a b%c"\n[store]\nenabled = true\n';
    const args = ["--set", `name="a $b %c 'd' \\"e\\"; f"`];
    for (const [ending, ...more] of [
      ["service", ...args],
      ["socket", "--socket"],
    ]) {
      const { said, complaints } = await unit(settings, ...more);
      expect(complaints).toBe("");
      writeFileSync(join(units, `summoner.${ending}`), said);
    }
    const files = ["summoner.service", "summoner.socket"].map((name) => join(units, name));
    const { code, complaints } = await spawn(
      [analyze as string, "verify", "--man=no", ...files],
      units,
    ).ends();
    expect(complaints.split("\n").filter((line) => line.includes("summoner"))).toEqual([]);
    expect(code).toBe(0);
  });
});
