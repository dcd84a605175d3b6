import { isIP } from "node:net";

/** Addresses with the same beginning. */
export interface Cidr {
  readonly ip: string;
  readonly family: "ipv4" | "ipv6";
  readonly bits: number;
}

/** Bits of an IPv6 address before the IPv4 address that it stands for (`::ffff:10.0.0.1`). */
const MAPPED_BITS = 96;

/** An address, or an address with a prefix length, IPv4 or IPv6; null when a text is neither. */
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
  // Clients that come in over IPv6 with such an address are known by their IPv4 one.
  if (mapped === null || bits < MAPPED_BITS) return { ip: address, family: "ipv6", bits };
  return { ip: mapped, family: "ipv4", bits: bits - MAPPED_BITS };
}

/** An address in the one spelling that it has, that of IPv4 where it stands for such a one. */
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

/** An IPv6 address without a zone as it is usually written. */
function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
