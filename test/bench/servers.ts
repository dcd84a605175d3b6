import { existsSync } from "node:fs";
import { join } from "node:path";
import { accepts, freePort, start, type Started, until } from "./processes.ts";
import { theRing } from "../../lib/net/sends/way.ts";
import type { WireName } from "./wire.ts";

/** A server that runs. */
export interface Server {
  port: number;
  process: Started;
  /** Further servers of the same room: clients are dealt out to all of them. */
  more?: readonly Server[];
  /** The engine that holds the order of the room; its CPU time is told apart. */
  order?: Started;
  /** True if being connected is not being in the room yet: clients wait until a message comes through to all. */
  gathers?: boolean;
  /** True if the servers have nothing to do with each other, so that each message is published to all of them. */
  apart?: boolean;
}

/** A server that can be started, and is then spoken to over `wire`. */
export interface Kind {
  name: string;
  wire: WireName;
  /** Terms it runs on that a reader must know to judge its numbers. */
  terms: string;
  /** True for the server under test: its faults fail the run, those of others are noted. */
  ours: boolean;
  /** Starts it for this many listeners; rejects with its output if it does not start. */
  start(listeners: number): Promise<Server>;
}

/** This checkout. */
export const ROOT = join(import.meta.dir, "..", "..");
const READY = /127\.0\.0\.1:(\d+)/;

async function readyLine(process: Started, name: string): Promise<Server> {
  const port = await until(process, name, () => READY.exec(process.output())?.[1] ?? null);
  return { port: Number(port), process };
}

async function portOpen(process: Started, name: string, port: number): Promise<Server> {
  await until(process, name, () => accepts(port));
  return { port, process };
}

/** Guards run on every line, but are set so high that none of them ever acts. It ends within `[hyper_parameters]`. */
const UNLIMITED = `
host = "127.0.0.1"
port = 0
version = "rust"
name = "bench"
drain_ms = 100
[hyper_parameters.backpressure_policy]
enable_throttle = false
enable_flow_control = false
enable_disconnect = false
[hyper_parameters]
client_timeout_secs = 0
rate_limit_msgs_per_minute = 1_000_000_000
`;

/** A `[logger]` section without relayed lines. */
export const QUIET = `[logger]\nlog_level = "WARNING"\n`;

/** Settings by which every send is a write of its own. */
export const WRITES = `[net]\nio = "writes"\n`;

/** A `[logger]` section that writes every relayed line to JSON files in `logs`. */
export const logEverything = (logs: string): string => `[logger]
log_level = "INFO"
enable_console_log = false
enable_file_log = true
enable_json_log = true
log_file_path = ${JSON.stringify(logs)}
`;

/** This project's relay, run from the source of a checkout; null where there is no index.ts. */
export function relay(folder: string, name = "relay", more = QUIET, checkout = ROOT): Kind | null {
  const index = join(checkout, "index.ts");
  if (!existsSync(index)) return null;
  return {
    name,
    wire: "relay",
    terms: "guarded backend, its limits set so high that none of them acts",
    ours: checkout === ROOT,
    start: async () => {
      const config = join(folder, `${Bun.randomUUIDv7()}.toml`);
      const web = /^\[web\]$/m.test(more) ? "" : "[web]\nenabled = false\n";
      await Bun.write(config, UNLIMITED + more + web);
      const cmd = [process.execPath, index, "--config", config];
      return readyLine(start(cmd, folder, checkout), name);
    },
  };
}

/** redis-server without persistence and without a bound on what waits for a listener. */
export function redis(folder: string): Kind | null {
  const program = Bun.which("redis-server");
  if (program === null) return null;
  return {
    name: "redis",
    wire: "redis",
    terms:
      "no persistence, no bound on what waits for a listener; a client that publishes too uses RESP3 on one connection",
    ours: false,
    start: (listeners) => {
      const port = freePort();
      const cmd = [program, "--port", String(port), "--bind", "127.0.0.1"];
      cmd.push("--save", "", "--appendonly", "no", "--dir", folder);
      cmd.push("--client-output-buffer-limit", "pubsub 0 0 0");
      cmd.push("--maxclients", String(listeners + 1000));
      return portOpen(start(cmd, folder), "redis-server", port);
    },
  };
}

/** nats-server as it comes. */
export function nats(folder: string): Kind | null {
  const program = Bun.which("nats-server");
  if (program === null) return null;
  return {
    name: "nats",
    wire: "nats",
    terms: "as it comes, core publish and subscribe",
    ours: false,
    start: async () => {
      const port = freePort();
      const config = join(folder, `${Bun.randomUUIDv7()}.conf`);
      // A ping in the midst of a round would look like bytes too many.
      await Bun.write(config, `host: "127.0.0.1"\nport: ${port}\nping_interval: "60m"\n`);
      return portOpen(start([program, "-c", config], folder), "nats-server", port);
    },
  };
}

/** A bare C writer, compiled now; null where there is no C compiler. */
function bare(folder: string, name: string, terms: string): Kind | null {
  const compiler = Bun.which("cc");
  if (compiler === null) return null;
  const program = join(folder, name);
  const source = join(import.meta.dir, `${name}.c`);
  const compiled = Bun.spawnSync([compiler, "-O2", "-o", program, source]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  return {
    name,
    wire: "floor",
    terms,
    ours: false,
    start: (listeners) => readyLine(start([program, String(listeners)], folder), name),
  };
}

const BARE = "no framing, no envelope, no guards";

/** The bare C writer with a write for each delivery. */
export function floor(folder: string): Kind | null {
  return bare(folder, "floor", BARE);
}

/** The bare C writer that hands its writes to the kernel together; null where it cannot. */
export function floorUring(folder: string): Kind | null {
  return theRing() === null ? null : bare(folder, "floor-uring", `${BARE}, io_uring`);
}

/**
 * Any other server that speaks the relay's protocol. `command` is split at
 * spaces; the word PORT in it becomes the port to listen on.
 */
export function other(folder: string, command: string, name: string): Kind {
  return {
    name,
    wire: "relay",
    terms: command,
    ours: false,
    start: () => {
      const port = freePort();
      const words = command.split(" ").filter((word) => word !== "");
      const cmd = words.map((word) => word.replace("PORT", String(port)));
      return portOpen(start(cmd, folder, ROOT), name, port);
    },
  };
}
