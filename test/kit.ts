import { load } from "../lib/config/load.ts";
import { type Config, settings } from "../lib/config/table.ts";
import { HandClock } from "../lib/host/clock.ts";
import { Program } from "../lib/host/lifecycle.ts";
import { TOKEN_VARIABLE } from "../lib/config/contradictions.ts";
import {
  type Address,
  addressText,
  type ClientInfo,
  type Operator,
  type Running,
} from "../lib/host/service.ts";
import { Log } from "../lib/host/log.ts";
import { type Greeting, Relay } from "../lib/services/relay/relay.ts";
import { Store } from "../lib/services/store/store.ts";
import { web } from "../lib/services/web/web.ts";

/** A configuration from settings as `server.json` would hold them; a free port on loopback unless said otherwise. */
export function configOf(object: Record<string, unknown> = {}): Config {
  const loaded = load(settings, {
    object: { version: "rust", port: 0, ...object },
  });
  if (loaded.problems.length > 0) {
    throw new Error(loaded.problems.map(({ message }) => message).join("\n"));
  }
  return loaded.config;
}

/** For programs that no operator asks anything. */
export const NOBODY: Operator = {
  reload: () => ({ ok: false, outcome: "not here" }),
  drain: () => {},
};

/** A real relay on a free port, in this process, with a clock that moves by hand. */
export async function boot(object: Record<string, unknown> = {}, greeting: Greeting | null = null) {
  const clock = new HandClock();
  const printed: string[] = [];
  const config = configOf(object);
  const log = new Log(config.name, config.logger, clock, (text) => printed.push(text));
  const program = new Program<Config>(clock, log, NOBODY);
  await program.start({ relay: (config, host) => new Relay(config, host, greeting) }, config);
  const relay = program.running.get("relay") as Relay;
  const port = relay.addresses[0]?.port as number;
  let down: Promise<void> | null = null;
  return {
    clock,
    log,
    port,
    program,
    relay,
    /** What the console has shown so far. */
    printed: () => printed.join(""),
    stats: () => relay.stats() as Record<string, number>,
    /** Connects and waits until the relay counts the client. */
    async join(from?: string): Promise<Peer> {
      const before = relay.stats()["accepted"] as number;
      const peer = await dial(port, from);
      await until(() => (relay.stats()["accepted"] as number) > before);
      return peer;
    },
    /** Drains with the clock pushed on, so that clients that never close do not hold it up. */
    async stop(deadlineMs = 1000): Promise<void> {
      down ??= program.drain(deadlineMs);
      await pushed(clock, down);
      await log.close();
    },
  };
}

export type Booted = Awaited<ReturnType<typeof boot>>;

/** Waits for a promise with the clock pushed on. */
async function pushed(clock: HandClock, promise: Promise<unknown>): Promise<void> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  while (!done) {
    clock.advance(250);
    await turn();
  }
}

/** One turn of the event loop, I/O included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Turns the event loop until something holds; the test's own timeout ends it otherwise. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** All clients of a service that can tell of them at once, the oldest first. */
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
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    half: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    end: () => void socket.destroy(),
  };
}

/** What another client gets for a line. */
export function enveloped(sender: Peer, content: string): string {
  return JSON.stringify({ remote_addr: sender.address, content });
}

/** A relay and the web service on free ports, in this process, with a clock that moves by hand. */
export async function bootWeb(
  object: Record<string, unknown> = {},
  operator: Operator = NOBODY,
  token: string | null = null,
) {
  const clock = new HandClock();
  const printed: string[] = [];
  const before = process.env[TOKEN_VARIABLE];
  if (token === null) delete process.env[TOKEN_VARIABLE];
  else process.env[TOKEN_VARIABLE] = token;
  const { web: given, ...rest } = object as { web?: object };
  const config = configOf({ ...rest, web: { enabled: true, port: 0, ...given } });
  const log = new Log(config.name, config.logger, clock, (text) => printed.push(text));
  const program = new Program<Config>(clock, log, operator);
  try {
    await program.start({ relay: (config, host) => new Relay(config, host), web }, config);
  } finally {
    if (before === undefined) delete process.env[TOKEN_VARIABLE];
    else process.env[TOKEN_VARIABLE] = before;
  }
  const relay = program.running.get("relay") as Relay;
  const service = program.running.get("web") as Running;
  const { port } = service.addresses[0] as Address;
  const scheme = config.web.tls.cert ? "https" : "http";
  const url = (path: string) => `${scheme}://127.0.0.1:${port}${path}`;
  let down: Promise<void> | null = null;
  return {
    clock,
    config,
    log,
    port,
    program,
    relay,
    service,
    url,
    printed: () => printed.join(""),
    /** Asks for a path, on a connection of its own. */
    get: (path: string, init: BunFetchRequestInit = {}) =>
      fetch(url(path), { redirect: "manual", keepalive: false, ...init }),
    /** Posts a JSON object, with the token where there is one. */
    post: (path: string, body: object = {}, headers: Record<string, string> = {}) =>
      fetch(url(path), {
        method: "POST",
        keepalive: false,
        headers: {
          "content-type": "application/json",
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        body: JSON.stringify(body),
      }),
    async join(from?: string): Promise<Peer> {
      const before = relay.stats()["clients"] as number;
      const peer = await dial(relay.addresses[0]?.port as number, from);
      await until(() => (relay.stats()["clients"] as number) > before);
      return peer;
    },
    /** Drains with the clock pushed on. */
    async stop(deadlineMs = 1000): Promise<void> {
      down ??= program.drain(deadlineMs);
      await pushed(clock, down);
      await log.close();
    },
  };
}

export type BootedWeb = Awaited<ReturnType<typeof bootWeb>>;

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

/** The openssl program, or null where it is not installed. */
export const openssl = Bun.which("openssl");

/** Writes a key and a certificate for a name, signed by itself, to a folder. */
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

/** All that a program says and its exit code. */
export async function ended(
  child: Bun.Subprocess<"ignore" | undefined, "pipe", "pipe">,
): Promise<{ out: string; err: string; code: number }> {
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { out, err, code: await child.exited };
}

/** Settings that give a store of its own section: a free port, and nothing on the disk unless said otherwise. */
function storeConfig(section: object, rest: object): Config {
  return configOf({ ...rest, store: { enabled: true, port: 0, durability: "none", ...section } });
}

/** A real store on a free port, in this process, with a clock that moves by hand. */
export async function bootStore(section: object = {}, rest: object = {}) {
  const clock = new HandClock();
  const printed: string[] = [];
  const config = storeConfig(section, rest);
  const log = new Log(config.name, config.logger, clock, (text) => printed.push(text));
  const program = new Program<Config>(clock, log, NOBODY);
  await program.start({ store: (config, host) => new Store(config, host) }, config);
  const store = program.running.get("store") as Store;
  const port = store.addresses[0]?.port as number;
  let down: Promise<void> | null = null;
  return {
    clock,
    log,
    port,
    program,
    store,
    printed: () => printed.join(""),
    stats: () => store.stats(),
    /** Connects and waits until the store counts the client. */
    async join(from?: string): Promise<Peer> {
      const before = store.stats()["accepted"] as number;
      const peer = await dial(port, from);
      await until(() => (store.stats()["accepted"] as number) > before);
      return peer;
    },
    /** Hands it other settings. @returns what could not be applied */
    reload: (section: object, rest: object = {}) => program.reload(storeConfig(section, rest)),
    /** Drains with the clock pushed on. */
    async stop(deadlineMs = 1000): Promise<void> {
      down ??= program.drain(deadlineMs);
      await pushed(clock, down);
      await log.close();
    },
  };
}

export type BootedStore = Awaited<ReturnType<typeof bootStore>>;

/** An answer of the store, or a line of its own. */
export type Answer = Record<string, any>;

/** The next line as the object it holds. */
export async function heard(peer: Peer): Promise<Answer> {
  return JSON.parse(await peer.next()) as Answer;
}

/** Sends one request, as an object or as a line, and waits for the next line. */
export function ask(peer: Peer, request: object | string): Promise<Answer> {
  const line = typeof request === "string" ? request : JSON.stringify(request);
  peer.send(`${line}\n`);
  return heard(peer);
}
