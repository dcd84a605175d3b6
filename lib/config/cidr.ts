import { isIP } from "node:net";

/** Addresses with the same beginning. */
export interface Cidr {
  readonly ip: string;
  readonly family: "ipv4" | "ipv6";
  readonly bits: number;
}

/** Bits before the IPv4 address in an IPv6 address that stands for one, as `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2). */
const MAPPED_BITS = 96;

/** Reads an address, IPv4 or IPv6, with a prefix length or without; null for any other text. */
export function cidrOf(text: string): Cidr | null {
  const [address = "", given, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return null;
  const most = version === 4 ? 32 : 128;
  if (given !== undefined && !/^\d{1,3}$/.test(given)) return null;
  const bits = given === undefined ? most : Number(given);
  if (bits > most) return null;
  if (version === 4) return { ip: address, family: "ipv4", bits };
  const mapped = mappedIn(address);
  // A client that comes in over IPv6 with such an address is known by its IPv4 address.
  if (mapped === null || bits < MAPPED_BITS) return { ip: address, family: "ipv6", bits };
  return { ip: mapped, family: "ipv4", bits: bits - MAPPED_BITS };
}

/** The one spelling of an address, by which clients are known; that of the IPv4 address if it stands for one. Other text stays as it is. */
export function spelledOnce(address: string): string {
  if (isIP(address) !== 6 || address.includes("%")) return address;
  return mappedIn(address) ?? canonical(address);
}

/** The IPv4 address that an IPv6 address stands for, or null. */
function mappedIn(address: string): string | null {
  if (address.includes("%")) return null;
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(canonical(address)) ?? [];
  if (high === undefined || low === undefined) return null;
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join(".");
}

/** The canonical spelling of an IPv6 address without a zone (RFC 5952). */
function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
