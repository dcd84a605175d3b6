import { isIP } from "node:net";
import { list } from "../option.ts";
import { type Entries, inherited, overriding, section } from "../section.ts";
import { live } from "./bounds.ts";

/** An address or an address with a prefix length, IPv4 or IPv6. */
function isCidr(item: string): boolean {
  const [address = "", bits, ...rest] = item.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

const CIDRS = 'a list of addresses or CIDR ranges, as ["10.0.0.0/8", "::1"]';

const access = {
  allow: list("Only these may connect. Empty means everybody.", CIDRS, isCidr, live),
  deny: list(
    "These may not connect, whatever allow says. A reload also closes those who are in.",
    CIDRS,
    isCidr,
    live,
  ),
};

/** Access to the whole server, which each of these services may override. */
export const accessOf = (services: Entries) =>
  section(
    `Who may connect, for every service; deny wins. ${overriding(services, "access")} override it key by key for one service.`,
    access,
  );

/** Access to one service. */
export const ownAccess = (who: string) =>
  inherited(`Access to ${who} alone; a key not given here follows [access].`, access);
