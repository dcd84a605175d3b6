import { isUtf8 } from "node:buffer";
import { type Coding, QUICKEST, wanted } from "./codings.ts";
import type { Bytes } from "./compress.ts";
import { type Compression, isCrossSite, VARY } from "./compression.ts";
import { flushed } from "./flushed.ts";
import { isText } from "./types.ts";

/** Header fields that are only true of the bytes as they are. */
const DIGESTS = ["content-digest", "content-md5", "digest"];
/** Statuses without a body, or with only a part of one. */
const BARE = [101, 204, 205, 206];
const GZIP = ["gzip"] as const;
/** The type that Bun gives a text without a type, and the blob of bytes without one. */
const UNTYPED = "text/plain;charset=utf-8";
/** Microtasks within which a body that is no stream has let go of a reader. */
const STEPS = 4;

const nothing = () => null;

type Body = ReadableStream<Uint8Array>;

/** A handler's answer in the coding that the request wants: text as a whole, a stream of text piece by piece, all else as it is. */
export function compressed(
  request: Request,
  response: Response,
  compression: Compression,
): Response | Promise<Response> {
  if (!isOpen(response)) return response;
  vary(response.headers);
  const { coding } = wanted(request, QUICKEST);
  if (coding === null || request.headers.has("range") || isCrossSite(request)) return response;
  if (response.bodyUsed || DIGESTS.some((name) => response.headers.has(name))) return response;
  return compressedBy(coding, request, response, compression);
}

/** True if an answer may be compressed, as far as its head tells. */
function isOpen({ headers, status }: Response): boolean {
  if (BARE.includes(status) || (status >= 300 && status < 400)) return false;
  const type = headers.get("content-type");
  if ((type !== null && !isText(type)) || headers.has("content-encoding")) return false;
  const cached = headers.get("cache-control");
  return cached === null || !/\bno-transform\b/i.test(cached);
}

function vary(headers: Headers): void {
  const before = headers.get("vary");
  if (before === null) headers.set("vary", VARY);
  else if (!/(?:^|,)\s*(?:\*|accept-encoding)\s*(?:,|$)/i.test(before))
    headers.append("vary", VARY);
}

async function compressedBy(
  coding: Coding,
  request: Request,
  response: Response,
  compression: Compression,
): Promise<Response> {
  const given = response.headers.get("content-type");
  const { coding: gzip, insists } = wanted(request, GZIP);
  if (await isStream(response)) {
    if (given === null || gzip === null) return response;
    return recoded(response, flushed(response.body as Body, compression), GZIP[0], given);
  }
  // A stream that failed at once, or a file that is gone: the answer fails as it would without this.
  const blob = await response.clone().blob().catch(nothing);
  if (blob === null) return response;
  const type = given ?? blob.type;
  if (!isText(type) || !compression.pays(blob.size, insists)) return response;
  const bytes = await blob.bytes().catch(nothing);
  if (bytes === null || (given === null && type === UNTYPED && !isUtf8(bytes))) return response;
  return recoded(response, await compression.once(bytes, coding), coding, type);
}

/**
 * True if a body is a stream, which may take its time. Bun does not tell, but
 * when a response is cloned, one reader of a stream cannot be cancelled alone.
 */
async function isStream(response: Response): Promise<boolean> {
  const rid = response.clone().body?.cancel();
  if (rid === undefined) return false;
  rid.catch(nothing);
  const isHeld = () => Bun.peek.status(rid) === "pending";
  for (let i = 0; i < STEPS && isHeld(); i++) await Promise.resolve();
  return isHeld();
}

/** The same answer with another body. */
function recoded(
  response: Response,
  body: Bytes | ReadableStream<Uint8Array>,
  coding: Coding,
  type: string,
): Response {
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.set("content-encoding", coding);
  headers.set("content-type", type);
  headers.delete("content-length");
  headers.delete("accept-ranges");
  const etag = headers.get("etag");
  // A weak tag: other bytes that mean the same.
  if (etag?.startsWith('"')) headers.set("etag", `W/${etag}`);
  return new Response(body, { status, statusText, headers });
}
