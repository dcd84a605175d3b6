// A fresh clone has no node_modules and `bun test`, unlike `bun run`, never
// installs: do it once, pinned by the lock file, before the first suite loads.
import { existsSync } from "node:fs";

if (!existsSync(new URL("../node_modules/smol-toml", import.meta.url))) {
  const install = Bun.spawnSync({
    cmd: [process.execPath, "install", "--frozen-lockfile"],
    cwd: new URL("..", import.meta.url).pathname,
    stdout: "inherit",
    stderr: "inherit",
  });
  if (install.exitCode !== 0) process.exit(install.exitCode);
}
