import { afterEach } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boot, type Booted, type BootOptions, ended, type Overrides } from "./kit.ts";

export const program = join(import.meta.dir, "..", "index.ts");
export const TOKEN = "0123456789abcdef";
export const REPEAT =
  "if it was started with --set, --preset, --host or --port, give them here too (--port is the relay's)";
/** What a test leaves behind, to be ended after it. */
export const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A server with a relay and a web service. */
export async function served(overrides?: Overrides, options?: BootOptions): Promise<Booted> {
  const server = await boot(["relay", "web"], overrides, options);
  endings.push(() => server.stop());
  return server;
}

/** A folder with the configuration of a server, or of one whose web service listens on a port. */
export function configured(at: Booted | number, more = ""): string {
  const [relay, port] = typeof at === "number" ? [0, at] : [at.port("relay"), at.port("web")];
  const folder = mkdtempSync(join(tmpdir(), "summoner-remote-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "summoner.toml"), `port = ${relay}\n[web]\nport = ${port}\n${more}`);
  return folder;
}

/** Runs a command in a folder, without a terminal. */
export async function call(cwd: string, args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}
