import { realpathSync, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { StartError } from "../../../host/errors.ts";
import { type Coding, QUICKEST, SMALLEST, takes, wanted } from "../compression/codings.ts";
import type { Bytes } from "../compression/compress.ts";
import { unacceptable, VARY } from "../compression/compression.ts";
import { isText } from "../compression/types.ts";
import { unanswered } from "../methods.ts";
import { plain } from "../plain.ts";
import { fileAnswer, type Sent } from "./file-answer.ts";
import type { Found } from "./found.ts";
import { KeptTexts, type Means } from "./kept-texts.ts";

/** The endings of files beside another that hold the same, compressed. */
const SUFFIXES: Readonly<Record<Coding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

export interface FilesOptions {
  /** The full key of the setting that names the folder. */
  readonly key: string;
  /**
   * A file whose name ends as that of a compressed file is sent as what it
   * holds, in that coding: builds for the web ask for `game.wasm.br`, and mean
   * WebAssembly. Otherwise it is sent as the bytes that it is.
   */
  readonly sendsHeld?: boolean;
}

/** A folder whose files are served. No path and no link leads outside of it. */
export class Files {
  readonly #root: string;
  readonly #sendsHeld: boolean;
  readonly #kept = new KeptTexts();

  /** @throws StartError when there is no such folder */
  constructor(folder: string, { key, sendsHeld = false }: FilesOptions) {
    this.#sendsHeld = sendsHeld;
    try {
      this.#root = realpathSync(resolve(folder));
      if (!statSync(this.#root).isDirectory()) throw new StartError("it is not a folder");
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const reason = isMissing ? "there is no such folder" : reasonOf(error);
      const why = error instanceof StartError ? error.message : reason;
      throw new StartError([{ key, message: `cannot serve ${folder}: ${why}` }]);
    }
  }

  /**
   * Answers with the file at a path; null when there is none. A folder answers
   * with its `index.html`. Names that begin with a dot do not exist. A file is
   * sent as the request wants it compressed: from the file beside it, or made here.
   */
  respond(request: Request, path: string, means: Means): Response | Promise<Response> | null {
    const names = namesOf(path);
    if (names === "bad") return plain(400, "This path is not valid.");
    if (names.some((name) => name.startsWith("."))) return null;
    const found = this.#at(names, path.endsWith("/"));
    if (!found) return null;
    if (request.method !== "GET" && request.method !== "HEAD") {
      return unanswered(request, ["GET", "HEAD"]);
    }
    if (found !== "folder") return this.#answer(request, found, means);
    // Without the slash the page's relative links would lead elsewhere.
    const location = `/${names.map(encodeURIComponent).join("/")}/${new URL(request.url).search}`;
    return new Response(null, { status: 301, headers: { location } });
  }

  /** The file of a path, "folder" for a folder with a page that is asked for without its slash, or null. */
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

  #answer(request: Request, found: Found, means: Means): Response | Promise<Response> {
    const held = this.#sendsHeld ? heldIn(found) : null;
    if (held !== null) return heldAnswer(request, found, held, means.wall);
    const beside = this.#beside(found);
    const isTextual = isText(Bun.file(found.path).type);
    const isVaried = isTextual || beside.size > 0;
    const send = (sent: Omit<Sent, "isVaried">) =>
      fileAnswer(request, found, { ...sent, isVaried }, means.wall);
    const asItIs = () => send({ coding: null, from: found });
    // Ranges are of the plain file.
    if (!isVaried || (request.method === "GET" && request.headers.has("range"))) return asItIs();
    const ready = wanted(request, [...beside.keys()]).coding;
    const from = ready && beside.get(ready);
    if (from) return send({ coding: ready, from });
    const { coding, insists } = wanted(request, QUICKEST);
    if (coding === null && insists) return unacceptable({ vary: VARY });
    if (coding === null || !isTextual) return asItIs();
    const made = this.#kept.of(found, coding, insists, means);
    const kept = (body: Bytes | null) =>
      body === null ? asItIs() : send({ coding, from: found, body });
    return made instanceof Promise ? made.then(kept) : kept(made);
  }

  /** The files that hold another one compressed. */
  #beside({ path }: Found): Map<Coding, Found> {
    const beside = new Map<Coding, Found>();
    for (const coding of SMALLEST) {
      const found = this.#look(path + SUFFIXES[coding]);
      if (found?.stats.isFile()) beside.set(coding, found);
    }
    return beside;
  }

  #find(names: readonly string[]): Found | null {
    return this.#look(join(this.#root, ...names));
  }

  #look(name: string): Found | null {
    try {
      // An exception is slow, and most of the files that are looked for do not exist.
      if (!statSync(name, { throwIfNoEntry: false })) return null;
      const path = realpathSync(name);
      if (path !== this.#root && !path.startsWith(this.#root + sep)) return null;
      return { path, stats: statSync(path) };
    } catch {
      return null;
    }
  }
}

/** The contents of a compressed file, by its name. */
interface Held {
  readonly coding: Coding;
  /** The file's path as it would be without the compression, by which its type is known. */
  readonly path: string;
}

function heldIn({ path }: Found): Held | null {
  const coding = SMALLEST.find((one) => path.endsWith(SUFFIXES[one]));
  return coding ? { coding, path: path.slice(0, -SUFFIXES[coding].length) } : null;
}

/** There is no other form of such a file: whoever does not take the coding is told so. */
function heldAnswer(request: Request, from: Found, held: Held, wall: number): Response {
  const { coding, path } = held;
  if (!takes(request, coding)) {
    const why = `This file is compressed (${coding}), and the request does not take that. Browsers take br and zstd over https and from localhost alone.`;
    return plain(406, why, { vary: VARY });
  }
  return fileAnswer(request, { ...from, path }, { coding, from, isVaried: true }, wall);
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
