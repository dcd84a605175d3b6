import { cidrOf } from "../cidr.ts";
import { list } from "../option.ts";
import { type Entries, inherited, overriding, section } from "../section.ts";
import { live } from "./bounds.ts";

/** The allowed value of a list of addresses, in words. */
export const CIDRS = 'a list of addresses or CIDR ranges, as ["10.0.0.0/8", "::1"]';

export const isCidr = (item: string) => cidrOf(item) !== null;

const access = {
  allow: list("Only these may connect. Empty means everybody.", CIDRS, isCidr, live),
  deny: list(
    "These may not connect, whatever allow says. A reload also closes those who are in.",
    CIDRS,
    isCidr,
    live,
  ),
};

/** Access to the whole server; each of these services may override it. */
export const accessOf = (services: Entries) =>
  section(
    `Who may connect, for every service; deny wins. ${overriding(services, "access")} override it key by key for one service.`,
    access,
  );

/** Access to one service. */
export const ownAccess = (who: string) =>
  inherited(`Access to ${who} alone; a key not given here follows [access].`, access);
