// A fresh clone has no node_modules and `bun test`, unlike `bun run`, never
// installs: do it once, pinned by the lock file, before the first suite loads.
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
