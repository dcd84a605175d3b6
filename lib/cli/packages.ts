// Runs before index.ts: Bun fetches the packages that it imports; if it cannot, this says what to do.
import { join } from "node:path";
import { dependencies } from "../../package.json";
import { FileShares } from "../host/files/file-shares.ts";

const root = join(import.meta.dir, "..", "..");

function isHere(name: string): boolean {
  try {
    return Bun.resolveSync(name, root) !== "";
  } catch {
    return false;
  }
}

if (Bun.main === join(root, "index.ts")) {
  const missing = Object.keys(dependencies).filter((name) => !isHere(name));
  if (missing.length > 0) {
    // With too few files even a package that is here is not found.
    const { trouble } = new FileShares([]);
    const why = trouble?.fatal
      ? trouble.message
      : `${missing.join(", ")}: not here, and not to be fetched; run bun install once with a network, or copy node_modules or dist/summoner from where that was done`;
    console.error(`error: ${why}`);
    process.exit(1);
  }
}
