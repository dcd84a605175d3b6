// A fresh clone has no node_modules and `bun test`, unlike `bun run`, never
// installs: do it once, pinned by the lock file, before the first suite loads.
import { plugin } from "bun";
import { existsSync } from "node:fs";

const root = new URL("..", import.meta.url).pathname;
if (!existsSync(`${root}node_modules/smol-toml`)) {
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
