// A fresh clone has no node_modules and `bun test`, unlike `bun run`, never
// installs: do it once, pinned by the lock file, before the first suite loads.
import { plugin } from "bun";
import { afterAll } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
if (!existsSync(`${root}node_modules/smol-toml`)) {
  // It would be done once for each of the files that run at the same time.
  if (process.env["BUN_TEST_WORKER_ID"] !== undefined) {
    throw new Error("bun test --parallel needs bun install first");
  }
  const bun = (args: string[]) =>
    Bun.spawnSync({
      cmd: [process.execPath, ...args],
      cwd: root,
      stdio: ["inherit", "inherit", "inherit"],
    }).exitCode;
  const installed = bun(["install", "--frozen-lockfile"]);
  // This process has looked already and remembers that there is no such folder.
  process.exit(installed === 0 ? bun(["test"]) : installed);
}

// What tests leave in the folder for temporary files goes when they have ended.
const before = process.env["TMPDIR"];
const temporary = mkdtempSync(join(tmpdir(), "summoner-"));
chmodSync(temporary, 0o755);
process.env["TMPDIR"] = temporary;
afterAll(() => {
  rmSync(temporary, { recursive: true, force: true });
  // With files in parallel this is read again for each of them, in the same process.
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
});

/** Bun lets a test take 5 s, too little on a busy machine; otherwise only a flag changes that for all files. */
const MOST_MS = 60_000;
plugin({
  name: "patience",
  setup(build) {
    build.onLoad({ filter: /\.test\.ts$/ }, async ({ path }) => ({
      // On the first line, so that all lines keep their numbers.
      contents: `(await import("bun:test")).setDefaultTimeout(${MOST_MS});${await Bun.file(path).text()}`,
      loader: "ts",
    }));
  },
});
