import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { spelledOnce } from "../../config/cidr.ts";
import { type Place, placeOf } from "../../config/place.ts";
import { reasonOf } from "../../config/reason.ts";
import { systemClock, within } from "../clock.ts";
import type { Fault, StartError } from "../errors.ts";
import { listenError } from "../system/listen-error.ts";
import type { Services } from "../service.ts";

/** Milliseconds that the look-up of a name may take. */
const LOOKUP_MS = 10_000;
/** The first port that needs no privilege, unless the system is set otherwise. */
const OPEN_PORTS = 1024;

/** The places that a service listens at. */
export function placesOf<C extends object>(
  services: Services<C>,
  config: C,
  name: string,
): readonly Place[] {
  return services[name]?.places?.(config) ?? [placeOf(config as never, name)];
}

/** A place and the addresses that its host stands for; none when the look-up failed. */
interface Known {
  readonly place: Place;
  readonly addresses: readonly string[];
}

/** Every fault of the hosts and ports of services that run together. Nothing listens for it, so a port in use is no fault. */
export async function placeFaults(places: readonly Place[]): Promise<readonly Fault[]> {
  const asked = places.filter((place) => !isHandedOver(place));
  const found = await Promise.all(asked.map(look));
  const known = found.map(({ known }) => known);
  return [...found.flatMap(({ faults }) => faults), ...collisions(known)];
}

/** True if a service manager has bound a socket for this place already; see sd_listen_fds(3). */
export function isHandedOver({ portKey }: Place): boolean {
  return portKey === "port" && process.env["LISTEN_PID"] === String(process.pid);
}

/** The error of a place whose port is in use; null where it is free. It listens there for a moment. */
export function busy(place: Place): StartError | null {
  const { host: hostname, port } = place;
  if (port === 0 || isHandedOver(place)) return null;
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return null;
  } catch (error) {
    const isBusy = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    return isBusy ? listenError(place, place, error) : null;
  }
}

async function look(place: Place): Promise<{ known: Known; faults: readonly Fault[] }> {
  const { host, port, hostKey, portKey } = place;
  try {
    const found = isIP(host) === 0 ? await addressesOf(host) : [host];
    const addresses = found.map(spelledOnce);
    const known = { place, addresses };
    const troubles = await Promise.all(addresses.map((address) => trouble(address, 0)));
    if (troubles.every((one) => one !== null)) {
      return { known, faults: [{ key: hostKey, message: `${host}: ${wordsOf(troubles[0])}` }] };
    }
    const denied =
      port > 0 && port < OPEN_PORTS ? await trouble(addresses[0] as string, port) : null;
    if ((denied as NodeJS.ErrnoException | null)?.code !== "EACCES") return { known, faults: [] };
    return { known, faults: [{ key: portKey, message: `${port}: ${reasonOf(denied)}` }] };
  } catch (error) {
    return {
      known: { place, addresses: [] },
      faults: [{ key: hostKey, message: `${host}: ${reasonOf(error)}` }],
    };
  }
}

/** The addresses of a name. @throws Error when there are none, or it takes too long */
async function addressesOf(name: string): Promise<string[]> {
  const found = await within(systemClock, LOOKUP_MS, lookup(name, { all: true }));
  if (found === null) throw new Error("nobody answers what its address is");
  return found.map(({ address }) => address);
}

/** The error of binding to an address, or null. Tried with UDP, so that no client sees an open port. */
async function trouble(hostname: string, port: number): Promise<unknown> {
  try {
    (await Bun.udpSocket({ hostname, port })).close();
    return null;
  } catch (error) {
    return error;
  }
}

function wordsOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EINVAL" ? "nobody can listen on that address" : reasonOf(error);
}

/** Services that would listen on one port of one address. */
function collisions(all: readonly Known[]): Fault[] {
  return all.flatMap((known, i) => {
    const { place } = known;
    const other = all.slice(0, i).find((one) => collide(one, known))?.place;
    if (other === undefined) return [];
    const key = other.portKey;
    return {
      key: place.portKey,
      message: `${place.port} is the port of the ${other.name} too (${key}); one of them needs another`,
      others: [key, place.hostKey, other.hostKey],
    };
  });
}

function collide(a: Known, b: Known): boolean {
  if (a.place.port === 0 || a.place.port !== b.place.port) return false;
  return a.addresses.some((one) => b.addresses.some((other) => overlap(one, other)));
}

/** True if two sockets on these addresses would get the same connections. */
function overlap(a: string, b: string): boolean {
  // A socket on :: takes IPv4 connections too.
  if (a === "::" || b === "::" || a === b) return true;
  const [one, other] = [isIP(a), isIP(b)];
  return one === 4 && other === 4 && (a === "0.0.0.0" || b === "0.0.0.0");
}
