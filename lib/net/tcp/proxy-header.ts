import { isIPv4, isIPv6 } from "node:net";
import { spelledOnce } from "../../config/cidr.ts";

/** The address and port of a client. */
export interface Source {
  readonly ip: string;
  readonly port: number;
}

/** A header that has come. */
export interface Header {
  /** The client that it tells of; null if the proxy connects for itself, or does not know. */
  readonly source: Source | null;
  /** The bytes behind it. */
  readonly rest: Buffer;
}

/** The header of a proxy that connects for itself. */
export const OWN_HEADER = "PROXY UNKNOWN\r\n";

const V1 = Buffer.from("PROXY ");
/** The longest header of version 1, its end of line included. */
const V1_MOST = 107;
const V2 = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** Bytes of a header of version 2 before its addresses. */
const V2_FIXED = 16;
/** The longest header of version 2: one that fits in the smallest segment. */
const V2_MOST = 536;

const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** Pairs of family and protocol that exist and of which no address is taken: unspecified ones, datagrams, Unix sockets. */
const ADDRESSLESS = [0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x31, 0x32];

/** The header of the PROXY protocol, version 1 or 2, with which a connection begins. */
export class ProxyHeader {
  #bytes: Buffer = Buffer.alloc(0);
  #isWhole = false;

  /** True once something has come. */
  get hasBegun(): boolean {
    return this.#bytes.length > 0;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Takes the next bytes of the connection. @returns the header with what stands behind it, "more" while it is not whole, or "wrong" */
  take(chunk: Buffer): Header | "more" | "wrong" {
    this.#bytes = this.hasBegun ? Buffer.concat([this.#bytes, chunk]) : chunk;
    const found = read(this.#bytes);
    this.#isWhole = typeof found === "object";
    return found;
  }
}

function read(bytes: Buffer): Header | "more" | "wrong" {
  if (begins(bytes, V2)) return bytes.length < V2_FIXED ? "more" : readV2(bytes);
  if (!begins(bytes, V1)) return "wrong";
  const end = bytes.subarray(0, V1_MOST).indexOf("\r\n");
  if (end === -1) return bytes.length < V1_MOST ? "more" : "wrong";
  const source = sourceIn(bytes.toString("latin1", V1.length, end));
  return source === "wrong" ? source : { source, rest: bytes.subarray(end + 2) };
}

/** True if the bytes begin with a mark, as far as they go. */
function begins(bytes: Buffer, mark: Buffer): boolean {
  const length = Math.min(bytes.length, mark.length);
  return bytes.compare(mark, 0, length, 0, length) === 0;
}

/** Reads what stands behind `PROXY` in a header of version 1. */
function sourceIn(text: string): Source | null | "wrong" {
  const [family, from = "", to = "", port = "", toPort = "", ...more] = text.split(" ");
  if (family === "UNKNOWN") return null;
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : () => false;
  const fits =
    [from, to].every((ip) => isAddress(ip) && !ip.includes("%")) &&
    [port, toPort].every((one) => /^(0|[1-9]\d{0,4})$/.test(one) && Number(one) <= 65_535) &&
    more.length === 0;
  return fits ? { ip: spelledOnce(from), port: Number(port) } : "wrong";
}

function readV2(bytes: Buffer): Header | "more" | "wrong" {
  const command = bytes[12] as number;
  const family = bytes[13] as number;
  const addresses = bytes.readUInt16BE(14);
  const length = V2_FIXED + addresses;
  if ((command !== LOCAL && command !== PROXY) || length > V2_MOST) return "wrong";
  const isTold = command === PROXY && !ADDRESSLESS.includes(family);
  if (isTold && addresses < leastOf(family)) return "wrong";
  if (bytes.length < length) return "more";
  const source = isTold ? (family === TCP4 ? sourceV4(bytes) : sourceV6(bytes)) : null;
  return { source, rest: bytes.subarray(length) };
}

/** Bytes that the addresses and ports of a family take; Infinity for one that does not exist. */
function leastOf(family: number): number {
  if (family === TCP4) return 12;
  return family === TCP6 ? 36 : Infinity;
}

function sourceV4(bytes: Buffer): Source {
  return { ip: bytes.subarray(16, 20).join("."), port: bytes.readUInt16BE(24) };
}

function sourceV6(bytes: Buffer): Source {
  const groups = [];
  for (let at = 16; at < 32; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return { ip: spelledOnce(groups.join(":")), port: bytes.readUInt16BE(48) };
}
