import { realpathSync, type Stats, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { StartError } from "../../../host/errors.ts";
import { unanswered } from "../../../net/http-methods.ts";

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
      throw new StartError([{ key: "web.static", message: `cannot serve ${folder}: ${why}` }]);
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
    const found = this.#at(names, path.endsWith("/"));
    if (!found) return null;
    if (request.method !== "GET" && request.method !== "HEAD") {
      return unanswered(request, ["GET", "HEAD"]);
    }
    if (found !== "folder") return answer(request, found);
    // Without the slash the page's relative links would lead elsewhere.
    const location = `/${names.map(encodeURIComponent).join("/")}/${new URL(request.url).search}`;
    return new Response(null, { status: 301, headers: { location } });
  }

  /** The file of a path, "folder" for one that has a page but is asked for without its slash, or null. */
  #at(names: readonly string[], isFolder: boolean): Found | "folder" | null {
    const found = this.#find(names);
    if (found?.stats.isDirectory()) {
      const index = this.#find([...names, "index.html"]);
      if (!index?.stats.isFile()) return null;
      return isFolder ? index : "folder";
    }
    // A file is not a folder, and a pipe or a device would block.
    return found?.stats.isFile() && !isFolder ? found : null;
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
