import { BlockList, isIP } from "node:net";
import { type Cidr, cidrOf } from "../../config/cidr.ts";

/** An IPv4 address that came in over IPv6 (`::ffff:10.0.0.1`) in its own spelling. */
export function unmapped(ip: string): string {
  return ip.startsWith("::ffff:") && ip.includes(".") ? ip.slice(7) : ip;
}

/** Access by address: deny wins, and an empty allow list admits everybody. */
export class Access {
  readonly #allow: BlockList | null;
  readonly #deny: BlockList | null;

  /** @param lists addresses and CIDR ranges that the configuration has checked */
  constructor(lists: { allow: readonly string[]; deny: readonly string[] }) {
    this.#allow = blockList(lists.allow);
    this.#deny = blockList(lists.deny);
  }

  admits(ip: string): boolean {
    if (this.#deny && isIn(this.#deny, ip)) return false;
    return this.#allow === null || isIn(this.#allow, ip);
  }
}

export function isIn(list: BlockList, ip: string): boolean {
  return list.check(ip, isIP(ip) === 6 ? "ipv6" : "ipv4");
}

/** A list of addresses and CIDR ranges that the configuration has checked; null for none. */
export function blockList(cidrs: readonly string[]): BlockList | null {
  if (cidrs.length === 0) return null;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const { ip, family, bits } = cidrOf(cidr) as Cidr;
    list.addSubnet(ip, bits, family);
  }
  return list;
}
