import type { Coding } from "../compression/codings.ts";
import type { Bytes } from "../compression/compress.ts";
import { VARY } from "../compression/compression.ts";
import { isPartOfSame, unmet, type Validators } from "../conditions.ts";
import { plain } from "../plain.ts";
import { type ByteRange, rangesIn } from "../ranges.ts";
import { type Found, isYoung, versionOf } from "./found.ts";

/** The form in which a file is sent. */
export interface Sent {
  readonly coding: Coding | null;
  /** The file that is sent: itself, or the one beside it. */
  readonly from: Found;
  /** Bytes to send in place of those of `from`. */
  readonly body?: Bytes;
  /** True if another request may get another coding. */
  readonly isVaried: boolean;
}

/**
 * Answers with a file, with parts of it, or with 304 or 412 by the request's conditions.
 * @param wall milliseconds since 1970
 */
export function fileAnswer(request: Request, file: Found, sent: Sent, wall: number): Response {
  const { coding, from, body, isVaried } = sent;
  const now: Validators = { etag: etagOf(sent, wall), modifiedMs: file.stats.mtimeMs };
  const headers: Record<string, string> = {
    etag: now.etag,
    "last-modified": file.stats.mtime.toUTCString(),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  if (isVaried) headers["vary"] = VARY;
  if (coding === null) headers["accept-ranges"] = "bytes";
  const status = unmet(request, now);
  if (status === 304) return new Response(null, { status, headers });
  if (status === 412) return plain(status, "This file is not as the request expects it.", headers);
  const typed = { ...headers, "content-type": Bun.file(file.path).type };
  if (coding !== null) {
    const coded = { ...typed, "content-encoding": coding };
    return new Response(body ?? Bun.file(from.path), { headers: coded });
  }
  const asked = request.method === "GET" ? request.headers.get("range") : null;
  if (asked === null) return new Response(Bun.file(from.path), { headers: typed });
  const ranges = isPartOfSame(request, now) ? rangesIn(asked, from.stats.size) : null;
  return partial(from, ranges, typed);
}

/** The tag of the bytes that are sent; weak while the file may still change unnoticed. */
function etagOf({ coding, from }: Sent, wall: number): string {
  const tag = `"${versionOf(from)}${coding === null ? "" : `-${coding}`}"`;
  return isYoung(from, wall) ? `W/${tag}` : tag;
}

/** Answers with parts of a file, or with all of it when `ranges` is null. */
function partial(
  { path, stats: { size } }: Found,
  ranges: readonly ByteRange[] | null,
  headers: Readonly<Record<string, string>>,
): Response {
  // Given the file itself, Bun would apply the range header.
  if (ranges === null) return new Response(parts(path, [WHOLE]), { headers });
  const [first, ...others] = ranges;
  if (!first) {
    const range = { "content-range": `bytes */${size}` };
    return plain(416, "Nothing of this range is there.", { ...headers, ...range });
  }
  if (others.length > 0) return several(path, ranges, size, headers);
  const range = { "content-range": `bytes ${first.from}-${first.to}/${size}` };
  const part = Bun.file(path).slice(first.from, first.to + 1);
  return new Response(part, { status: 206, headers: { ...headers, ...range } });
}

/** Answers with several parts, each with its own head (RFC 9110, 14.6). */
function several(
  path: string,
  ranges: readonly ByteRange[],
  size: number,
  headers: Readonly<Record<string, string>>,
): Response {
  const boundary = crypto.randomUUID();
  const pieces = ranges.map(({ from, to }, i) => ({
    from,
    to,
    before: `${i === 0 ? "" : "\r\n"}--${boundary}\r\ncontent-type: ${headers["content-type"]}\r\ncontent-range: bytes ${from}-${to}/${size}\r\n\r\n`,
  }));
  const body = parts(path, pieces, `\r\n--${boundary}--\r\n`);
  const type = `multipart/byteranges; boundary=${boundary}`;
  return new Response(body, { status: 206, headers: { ...headers, "content-type": type } });
}

interface Piece extends ByteRange {
  readonly before: string;
}

const WHOLE: Piece = { from: 0, to: Infinity, before: "" };

async function* parts(path: string, pieces: readonly Piece[], end = "") {
  const file = Bun.file(path);
  for (const { from, to, before } of pieces) {
    if (before !== "") yield Buffer.from(before);
    yield* to === Infinity ? file.stream() : file.slice(from, to + 1).stream();
  }
  if (end !== "") yield Buffer.from(end);
}
