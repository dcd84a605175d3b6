import { realpathSync, type Stats, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { StartError } from "../../../host/errors.ts";

/** A folder whose files are served; nothing outside of it ever is, whatever a path or a link says. */
export class Files {
  readonly #root: string;

  /** @throws StartError when there is no such folder */
  constructor(folder: string) {
    try {
      this.#root = realpathSync(resolve(folder));
      if (!statSync(this.#root).isDirectory()) throw new StartError("it is not a folder");
    } catch (error) {
      const why = error instanceof StartError ? error.message : reasonOf(error);
      throw new StartError(`web: web.static: cannot serve ${folder}: ${why}`);
    }
  }

  /**
   * The file at a path of a URL, with its query; null where there is none. A
   * folder is its `index.html`. Names that begin with a dot do not exist.
   */
  respond(request: Request, path: string): Response | null {
    const names = namesOf(path);
    if (names === "bad") return new Response("This path is not valid.\n", { status: 400 });
    if (names.some((name) => name.startsWith("."))) return null;
    const found = this.#find(names);
    if (!found) return null;
    if (found.stats.isDirectory()) {
      if (!path.endsWith("/")) {
        // Without the slash the page's relative links would lead elsewhere.
        const location = `/${names.map(encodeURIComponent).join("/")}/`;
        return this.#find([...names, "index.html"])
          ? new Response(null, { status: 301, headers: { location } })
          : null;
      }
      const index = this.#find([...names, "index.html"]);
      return index?.stats.isFile() ? answer(request, index) : null;
    }
    // A file is not a folder, and a pipe or a device would block.
    return found.stats.isFile() && !path.endsWith("/") ? answer(request, found) : null;
  }

  #find(names: readonly string[]): Found | null {
    try {
      const path = realpathSync(join(this.#root, ...names));
      if (path !== this.#root && !path.startsWith(this.#root + sep)) return null;
      return { path, stats: statSync(path) };
    } catch {
      return null;
    }
  }
}

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** The names of a path between its slashes, decoded once. */
function namesOf(path: string): string[] | "bad" {
  try {
    const names = path.split("/").filter((name) => name !== "");
    const decoded = names.map(decodeURIComponent);
    // An encoded slash would make two names of one; so would Windows's backslash.
    return decoded.some((name) => /[/\\\0]/.test(name)) ? "bad" : decoded;
  } catch {
    return "bad";
  }
}

function answer(request: Request, { path, stats }: Found): Response {
  if (request.method !== "GET" && request.method !== "HEAD") {
    const headers = { allow: "GET, HEAD" };
    return new Response("This method is not allowed here.\n", { status: 405, headers });
  }
  const etag = `"${stats.size.toString(36)}-${Math.floor(stats.mtimeMs).toString(36)}"`;
  const headers = {
    etag,
    "last-modified": stats.mtime.toUTCString(),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  if (isFresh(request, etag, stats.mtimeMs)) return new Response(null, { status: 304, headers });
  return new Response(Bun.file(path), { headers });
}

function isFresh(request: Request, etag: string, mtimeMs: number): boolean {
  const match = request.headers.get("if-none-match");
  if (match !== null) return match.split(",").some((one) => [etag, "*"].includes(one.trim()));
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  return Math.floor(mtimeMs / 1000) * 1000 <= since;
}
