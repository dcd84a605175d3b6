import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { services } from "../index.ts";
import { TOKEN_VARIABLE } from "../lib/config/sections/web.ts";
import { load, problemText } from "../lib/config/load.ts";
import type { Entries } from "../lib/config/section.ts";
import { type Config, settings } from "../lib/config/table.ts";
import { type Clock, HandClock } from "../lib/host/clock.ts";
import { fileLimit } from "../lib/host/files/file-shares.ts";
import { Program } from "../lib/host/lifecycle.ts";
import type { Services } from "../lib/host/service.ts";
import { Log } from "../lib/host/log.ts";
import { pays, theRing } from "../lib/net/sends/way.ts";
import { addressText, type ClientInfo, type Operator, type Running } from "../lib/host/service.ts";

/** True where sends can leave by io_uring. Opened before any test counts its files. */
export const hasRing = theRing() !== null;
// Servers in this process send even a single answer by it. Each way by itself: `overBothWays`.
if (hasRing) pays.from = 1;
else console.log("skipped: sends by io_uring, which cannot be had here");

/** How servers send that are booted from now on, unless their settings say it. */
export const sending: { io: Config["net"]["io"] } = { io: "auto" };

/** Settings as `server.json` holds them. */
export type Overrides = Readonly<Record<string, unknown>>;

/** A table of services, and the table of their settings. */
export interface Table {
  readonly services: Services<any>;
  readonly settings: Entries;
}

/** The services of the program. */
const SUMMONER: Table = { services, settings };

/** Settings of services in tests, unless a test gives others. */
const USUAL: Readonly<Record<string, () => object>> = {
  store: () => ({ durability: "none" }),
  collector: () => ({
    grpc_port: 0,
    http_port: 0,
    syslog_port: 0,
    lines_port: 0,
    path: join(mkdtempSync(join(tmpdir(), "collector-")), "_main.log"),
    durability: "none",
  }),
};

/** A configuration from settings as `server.json` would hold them; on a free port of loopback unless they name another. */
export function configOf(object: Overrides = {}): Config {
  return configured(SUMMONER, object);
}

function configured(table: Table, object: Overrides): Config {
  const loaded = load(table.settings as typeof settings, {
    object: { version: "rust", port: 0, ...object },
  });
  if (loaded.problems.length > 0) {
    throw new Error(loaded.problems.map(problemText).join("\n"));
  }
  return loaded.config;
}

/** Settings that enable these services, each on a free port. */
function enabling(table: Table, names: readonly string[], overrides: Overrides): Overrides {
  const object: Record<string, unknown> = { net: { ...sending }, ...overrides };
  for (const name of Object.keys(table.services)) {
    const enabled = names.includes(name);
    const section = table.settings[name];
    const port = enabled && section?.kind === "section" && section.entries["port"] && { port: 0 };
    const usual = enabled && USUAL[name]?.();
    object[name] = { enabled, ...port, ...usual, ...(overrides[name] as object | undefined) };
  }
  return object;
}

/** For programs whose operator does nothing. */
export const NOBODY: Operator = {
  reload: () => ({ ok: false, outcome: "not here" }),
  drain: () => {},
};

export interface BootOptions {
  readonly operator?: Operator;
  /** The token of the web service, as the environment would hold it. */
  readonly token?: string;
  /** The program's clock; if not given, one that moves by hand. */
  readonly clock?: Clock;
  /** The services that exist; if not given, those of the program. */
  readonly table?: Table;
}

/**
 * Services on free ports of loopback, in this process, with a clock that moves by hand.
 * @param given their names; methods that are not given a name mean the first
 * @param overrides settings as `server.json` holds them
 */
export async function boot(
  given: string | readonly string[] = "relay",
  overrides: Overrides = {},
  options: BootOptions = {},
) {
  const names = typeof given === "string" ? [given] : given;
  const first = names[0] as string;
  const { operator = NOBODY, token, clock = new HandClock(), table = SUMMONER } = options;
  const printed: string[] = [];
  const before = process.env[TOKEN_VARIABLE];
  setToken(token);
  const start = async () => {
    const config = configured(table, enabling(table, names, overrides));
    const log = new Log(config.name, config.logger, clock, (text) => printed.push(text));
    const program = new Program<Config>(clock, log, operator);
    await program.start(table.services, config);
    return { config, log, program };
  };
  const { config, log, program } = await start().finally(() => setToken(before));
  const started = new Map(program.running);
  const running = (name = first) => started.get(name) as Running;
  const stats = (name?: string) => running(name).stats() as Record<string, number>;
  const port = (name?: string) => running(name).addresses[0]?.port as number;
  const url = (path: string) => {
    const { protocol } = new URL(running("web").addresses[0]?.url as string);
    return `${protocol}//127.0.0.1:${port("web")}${path}`;
  };
  let down: Promise<readonly string[]> | null = null;
  const drain = (deadlineMs = 1000) => (down ??= program.drain(deadlineMs));
  return {
    /** Moves by hand, unless another clock was given. */
    clock: clock as HandClock,
    config,
    log,
    program,
    running,
    port,
    stats,
    clients: (name?: string) => clientsOf(running(name)),
    /** The output of the console so far. */
    printed: () => printed.join(""),
    /** The address of a path of the web service. */
    url,
    /** Asks the web service for a path, on a connection of its own. */
    get: (path: string, init: BunFetchRequestInit = {}) =>
      fetch(url(path), { redirect: "manual", keepalive: false, ...init }),
    /** Posts a JSON object to the web service, with the token if there is one. */
    post: (path: string, body: object = {}, headers: Record<string, string> = {}) =>
      fetch(url(path), {
        method: "POST",
        keepalive: false,
        headers: {
          "content-type": "application/json",
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        body: JSON.stringify(body),
      }),
    /** Connects to the first service and waits until it counts the client. */
    async join(from?: string): Promise<Peer> {
      const before = stats()["accepted"] as number;
      const peer = await dial(port(), from);
      await until(() => (stats()["accepted"] as number) > before);
      return peer;
    },
    /** Gives it other settings, in place of those it was booted with. @returns the failures */
    reload: (overrides: Overrides = {}) =>
      program.reload(configured(table, enabling(table, names, overrides))),
    /** Begins to drain. */
    drain,
    /** Drains while the clock moves on, so that clients that never close do not hold it up. */
    async stop(deadlineMs?: number): Promise<void> {
      await pushed(clock, drain(deadlineMs));
      await log.close();
    },
  };
}

function setToken(token: string | undefined): void {
  if (token === undefined) delete process.env[TOKEN_VARIABLE];
  else process.env[TOKEN_VARIABLE] = token;
}

export type Booted = Awaited<ReturnType<typeof boot>>;

/** Waits for a promise, while a clock that moves by hand moves on. */
async function pushed(clock: Clock, promise: Promise<unknown>): Promise<void> {
  if (!(clock instanceof HandClock)) return void (await promise);
  let done = false;
  void promise.finally(() => {
    done = true;
  });
  while (!done) {
    clock.advance(250);
    await turn();
  }
  await promise;
}

/** One turn of the event loop, I/O included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Milliseconds for which a wait turns the loop without rest. */
const RESTLESS_MS = 20;

/**
 * Turns the event loop until something holds; the test's own timeout ends it
 * otherwise. What takes longer is looked at once a millisecond, so that the
 * process or browser that is waited for has the core.
 */
export async function until(holds: () => boolean): Promise<void> {
  const rest = performance.now() + RESTLESS_MS;
  while (!holds()) await (performance.now() < rest ? turn() : Bun.sleep(1));
}

/** All clients of a service that can list them without a promise, the oldest first. */
export function clientsOf(service: Running): readonly ClientInfo[] {
  const page = service.clients({
    address: "",
    sort: "id",
    order: "asc",
    limit: Infinity,
    offset: 0,
  });
  if (page instanceof Promise) throw new TypeError("it has to ask for them first");
  return page.clients;
}

/** True where this process may hold both ends of a thousand connections to any service. */
export const manyFiles = fileLimit() >= 8192;
if (!manyFiles) {
  console.log("skipped: a thousand clients at once, because few files may be open (ulimit -n)");
}

/** A client in the test's hands. */
export interface Peer {
  /** `127.0.0.1:PORT`, as the relay knows it. */
  readonly address: string;
  /** All lines that have come and have not been taken by `next`. */
  readonly lines: string[];
  readonly bytes: number;
  /** Resolves when the server has ended the connection; "reset" or "end". */
  readonly closed: Promise<"end" | "reset">;
  readonly isClosed: boolean;
  /** The next line, without its newline; rejects when the connection ends first. */
  next(): Promise<string>;
  send(data: string | Uint8Array): void;
  /** Sends, and waits until the system has taken all of it. */
  sent(data: string | Uint8Array): Promise<void>;
  /** Stops reading. */
  pause(): void;
  resume(): void;
  /** Sends FIN and goes on reading. */
  half(): void;
  reset(): void;
  end(): void;
}

/** Connects to a port, from another loopback address if one is given. */
export async function dial(port: number, from?: string, host = "127.0.0.1"): Promise<Peer> {
  const { createConnection } = await import("node:net");
  const closed = Promise.withResolvers<"end" | "reset">();
  const opened = Promise.withResolvers<void>();
  const lines: string[] = [];
  let waiting: {
    resolve(line: string): void;
    reject(error: Error): void;
  } | null = null;
  let rest = "";
  let bytes = 0;
  let isClosed = false;
  const socket = createConnection({
    port,
    host,
    allowHalfOpen: true,
    ...(from ? { localAddress: from } : {}),
  });
  const finish = (how: "end" | "reset") => {
    isClosed = true;
    closed.resolve(how);
    waiting?.reject(new Error(`the connection ended (${how})`));
    waiting = null;
  };
  socket.setEncoding("utf8");
  socket.on("connect", () => opened.resolve());
  socket.on("data", (text: string) => {
    bytes += text.length;
    const parts = (rest + text).split("\n");
    rest = parts.pop() as string;
    for (const line of parts) {
      if (waiting) {
        waiting.resolve(line);
        waiting = null;
      } else lines.push(line);
    }
  });
  socket.on("end", () => {
    finish("end");
    socket.end();
  });
  socket.on("error", (error) => {
    opened.reject(error);
    finish("reset");
  });
  socket.on("close", () => finish("end"));
  await opened.promise;
  return {
    address: addressText(from ?? host, socket.localPort as number),
    lines,
    closed: closed.promise,
    get bytes() {
      return bytes;
    },
    get isClosed() {
      return isClosed;
    },
    next() {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (isClosed) return Promise.reject(new Error("the connection has ended"));
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    send: (data) => void socket.write(data),
    sent: (data) => new Promise((resolve) => void socket.write(data, () => resolve())),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    half: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    end: () => void socket.destroy(),
  };
}

/** The envelope in which other clients get a line. */
export function enveloped(sender: Peer, content: string): string {
  return JSON.stringify({ remote_addr: sender.address, content });
}

/** Sends raw bytes to a port and collects what comes back until the server ends the connection. */
export async function raw(
  port: number,
  bytes: string,
  host = "127.0.0.1",
  from?: string,
): Promise<string> {
  const { createConnection } = await import("node:net");
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = createConnection({ port, host, ...(from ? { localAddress: from } : {}) });
  let got = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    got += text;
  });
  socket.on("error", () => resolve());
  socket.on("close", () => resolve());
  socket.write(bytes, "latin1");
  await promise;
  return got;
}

/** The path of the openssl program, or null if it is not installed. */
export const openssl = Bun.which("openssl");

/** Writes a key and a self-signed certificate for a name to a folder. */
export function selfSigned(folder: string, name = "localhost"): { cert: string; key: string } {
  const [cert, key] = [`${folder}/${name}.crt`, `${folder}/${name}.key`];
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
  const made = Bun.spawnSync(
    [openssl as string].concat(
      request.split(" "),
      ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
      ["-keyout", key, "-out", cert],
    ),
  );
  if (!made.success) throw new Error(made.stderr.toString());
  return { cert, key };
}

/** The whole output of a program, and its exit code. */
export async function ended(
  child: Bun.Subprocess<"ignore" | Blob | undefined, "pipe", "pipe">,
): Promise<{ out: string; err: string; code: number }> {
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { out, err, code: await child.exited };
}

/** An answer or an event of the store. */
export type Answer = Record<string, any>;

/** The JSON object in the next line. */
export async function heard(peer: Peer): Promise<Answer> {
  return JSON.parse(await peer.next()) as Answer;
}

/** Sends one request, as an object or as a line, and waits for the next line. */
export function ask(peer: Peer, request: object | string): Promise<Answer> {
  const line = typeof request === "string" ? request : JSON.stringify(request);
  peer.send(`${line}\n`);
  return heard(peer);
}

/** Milliseconds that this thread has computed: what a test may ask of it holds on a busy machine too. */
export function computedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
