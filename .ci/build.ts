// Makes the executable, for this machine or, with --all, for every system, with checksums.
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { dependencies } from "../package.json";

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
/** The files with which Workers begin; no two may have the same name. */
const WORKERS = ["lib/services/web/ticker/worker.ts", "lib/services/relay/threads/relay-thread.ts"];
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "darwin-arm64", "windows-x64"];

/** Installs the packages in a fresh clone, which has none. */
function install(): void {
  const isHere = (name: string) => existsSync(join(ROOT, "node_modules", name));
  if (Object.keys(dependencies).every(isHere)) return;
  const cmd = [process.execPath, "install", "--frozen-lockfile"];
  const { exitCode } = Bun.spawnSync({ cmd, cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  if (exitCode === 0) return;
  console.error("The packages are missing and cannot be fetched: build where there is a network.");
  process.exit(1);
}

/** Compiles for a target, or this machine. @returns the file's path */
function compile(target: string | null): string {
  const ending = (target ?? process.platform).startsWith("win") ? ".exe" : "";
  const file = join(DIST, target === null ? `summoner${ending}` : `summoner-${target}${ending}`);
  const cmd = [process.execPath, "build", "--compile", "--minify", "--bytecode", "--format=esm"];
  // Files in the folder where the executable is started must not change what it does.
  for (const kind of ["bunfig", "dotenv", "tsconfig", "package-json"]) {
    cmd.push(`--no-compile-autoload-${kind}`);
  }
  if (target !== null) cmd.push(`--target=bun-${target}`);
  // Inside the executable a worker is found by its own name alone.
  cmd.push("--entry-naming", "[name].[ext]");
  cmd.push("index.ts", ...WORKERS, "--outfile", file);
  const { exitCode } = Bun.spawnSync({ cmd, cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (exitCode !== 0) process.exit(1);
  return file;
}

async function checksum(file: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const bytes of Bun.file(file).stream()) hash.update(bytes);
  return `${hash.digest("hex")}  ${basename(file)}\n`;
}

const wanted = process.argv.slice(2);
if (wanted.some((word) => word !== "--all")) {
  console.error("bun run build [--all]");
  process.exit(2);
}
install();
const files = (wanted.includes("--all") ? [null, ...TARGETS] : [null]).map(compile);
await Bun.write(join(DIST, "SHA256SUMS"), (await Promise.all(files.map(checksum))).join(""));
