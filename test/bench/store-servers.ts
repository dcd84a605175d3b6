import { join } from "node:path";
import { accepts, freePort, start, until } from "./processes.ts";
import { ROOT, type Server } from "./servers.ts";
import type { StoreWireName } from "./store-wire.ts";

const READY = /store is ready on 127\.0\.0\.1:(\d+)/;

/** The time at which a write is on the disk: never, soon, or before its reply. */
export type Durability = "none" | "batch" | "always";

/** A key-value server that can be started. */
export interface StoreKind {
  name: string;
  wire: StoreWireName;
  /** True for the server under test: its faults fail the run, those of others are noted. */
  ours: boolean;
  start(): Promise<Server>;
  /** Starts it once more with what the last one has kept. */
  again?(): Promise<Server>;
}

/** This project's store, run from the source of a checkout with a new empty folder. */
export function store(
  folder: string,
  durability: Durability,
  name = "store",
  checkout = ROOT,
  more = "",
): StoreKind {
  let path = "";
  const again = async () => {
    const cmd = [process.execPath, join(checkout, "index.ts"), "--config", `${path}.toml`];
    const started = start(cmd, folder, checkout);
    const ready = () => READY.exec(started.output())?.[1] ?? null;
    return { port: Number(await until(started, name, ready, 120)), process: started };
  };
  return {
    name,
    wire: "json",
    ours: checkout === ROOT,
    start: async () => {
      path = join(folder, Bun.randomUUIDv7());
      await Bun.write(`${path}.toml`, settings(path, durability) + more);
      return again();
    },
    again,
  };
}

const settings = (path: string, durability: Durability): string => `
host = "127.0.0.1"
port = 0
drain_ms = 100
[logger]
log_level = "INFO"
[relay]
enabled = false
[web]
enabled = false
[store]
enabled = true
port = 0
durability = "${durability}"
path = ${JSON.stringify(path)}
max_memory_bytes = 4_000_000_000
idle_secs = 0
`;

const APPENDING: Record<Durability, string[]> = {
  none: ["--appendonly", "no"],
  batch: ["--appendonly", "yes", "--appendfsync", "everysec"],
  always: ["--appendonly", "yes", "--appendfsync", "always"],
};

/** redis-server with a new empty folder and no snapshots; null where it is not installed. */
export function redisStore(folder: string, durability: Durability): StoreKind | null {
  const program = Bun.which("redis-server");
  if (program === null) return null;
  return {
    name: "redis",
    wire: "resp",
    ours: false,
    start: async () => {
      const port = freePort();
      const appended = `appended-${port}`;
      const cmd = [program, "--port", String(port), "--bind", "127.0.0.1", "--save", ""];
      cmd.push("--dir", folder, "--appenddirname", appended, ...APPENDING[durability]);
      const started = start(cmd, folder);
      await until(started, "redis-server", () => accepts(port));
      return { port, process: started };
    },
  };
}
