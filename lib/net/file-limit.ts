let knownFileLimit = 0;

/** How many files this process may have open; Bun has raised it as far as the system lets it. */
export function fileLimit(): number {
  if (knownFileLimit === 0) knownFileLimit = readFileLimit();
  return knownFileLimit;
}

function readFileLimit(): number {
  if (process.platform === "win32") return 16_384;
  const shell = Bun.spawnSync(["sh", "-c", "ulimit -n"]);
  const said = shell.stdout.toString().trim();
  return said === "unlimited" ? 1_048_576 : Number(said) || 1024;
}
