import { closeSync, openSync, readdirSync } from "node:fs";
import type { FileShares } from "../../host/files/file-shares.ts";
import { libc } from "../../host/system/libc.ts";
import { openFiles } from "../../host/files/open-files.ts";
import { addressText } from "../../host/service.ts";
import { unmapped } from "../admission/access.ts";
import type { Admission } from "../admission.ts";
import { ownAddress, peerAddress } from "../tcp/sockaddr.ts";

/** SHUT_RDWR, from <sys/socket.h>. */
const BOTH_WAYS = 2;
/** Calls between two looks at the descriptors while files are left; more if there are many descriptors. */
const CALM = 12;
/** With more than `CALM` times this many descriptors, looks are rarer: each costs about a microsecond a descriptor. */
const WORK = 100;
/** Connections that may come between two calls at most: one takes 10 microseconds or more. */
const COMING = 2000;
/** With fewer files left than this, every call looks. */
const MARGIN = 16;

interface Connection {
  readonly descriptor: number;
  readonly ip: string;
  readonly address: string;
  readonly isBusy: boolean;
}

/** The facts about connections that only the server knows. */
interface Known {
  /** The addresses whose connections are being answered; these are ended last. */
  busy(): ReadonlySet<string>;
  /** True for the address of a proxy, whose connections serve many clients. */
  isProxy(ip: string): boolean;
}

/**
 * Bounds the connections of an HTTP server, in all by its share of the files
 * and per address. Bun shows no connection before its request is whole, so idle
 * ones and half requests could take every file: they are found among the
 * descriptors of the process. Linux only.
 */
export class HttpConnections {
  readonly #admission: Admission;
  readonly #files: FileShares;
  readonly #known: Known;
  /** Calls until the next look. */
  #untilLook = CALM;
  /** Calls in which the files that were left at the last look cannot be used up. */
  #untilShort = 0;
  /** The addresses of connections that the last sweep ended; they may not be gone yet. */
  #ended = new Set<string>();

  /** @param known facts that only the server has */
  constructor(admission: Admission, files: FileShares, known: Known) {
    this.#admission = admission;
    this.#files = files;
    this.#known = known;
  }

  /** Ends connections of the server at `port` that are too many; called every 20 ms or so. @returns the addresses of those that the last sweep had not ended already */
  sweep(port: number): string[] {
    if (process.platform !== "linux") return [];
    const { limit, connections } = this.#files;
    const mayBeShort = --this.#untilShort < 0;
    if (--this.#untilLook > 0 && !(mayBeShort && isShort(limit))) return [];
    const { share } = this.#admission;
    const most = Math.min(share, this.#admission.perAddress);
    // To count the descriptors costs a hundredth of listing a thousand; 0 means that they could not be counted.
    const open = openFiles();
    this.#untilLook = Math.max(CALM, open / WORK);
    this.#untilShort = open > 0 ? Math.floor((limit - open) / COMING) : 0;
    if (open > 0 && open - connections <= most) return [];
    const descriptors = openDescriptors() ?? upTo(limit);
    this.#untilLook = Math.max(CALM, descriptors.length / WORK);
    if (descriptors.length - connections <= most) return [];
    const tooMany = this.#tooMany(this.#find(port, descriptors), share);
    if (tooMany.length > 0) this.#untilLook = 0;
    for (const { descriptor } of tooMany) libc().shutdown(descriptor, BOTH_WAYS);
    const before = this.#ended;
    this.#ended = new Set(tooMany.map(({ address }) => address));
    return [...this.#ended.difference(before)];
  }

  #find(port: number, descriptors: readonly number[]): Connection[] {
    const found: Connection[] = [];
    const busy = this.#known.busy();
    for (const descriptor of descriptors) {
      if (ownAddress(descriptor)?.port !== port) continue;
      const peer = peerAddress(descriptor);
      if (peer === null) continue;
      const ip = unmapped(peer.host);
      const address = addressText(ip, peer.port);
      found.push({ descriptor, ip, address, isBusy: busy.has(address) });
    }
    return found;
  }

  /** The connections beyond an address's bound, then those beyond the share of all: from the address that has most, idle ones first. */
  #tooMany(all: readonly Connection[], share: number): Connection[] {
    const byAddress = Map.groupBy(all, ({ ip }) => ip);
    const ended: Connection[] = [];
    for (const [ip, some] of byAddress) {
      // The idle ones come last, so that they are taken first.
      some.sort((a, b) => Number(b.isBusy) - Number(a.isBusy));
      const bound = this.#known.isProxy(ip) ? Infinity : this.#admission.mostFrom(ip);
      if (some.length > bound) ended.push(...some.splice(bound));
    }
    for (let left = all.length - ended.length; left > share; left--) {
      const most = [...byAddress.values()].reduce((a, b) => (b.length > a.length ? b : a));
      ended.push(most.pop() as Connection);
    }
    return ended;
  }
}

/** True when hardly a file is left, by the lowest free descriptor, which is the one that the system gives out. */
function isShort(limit: number): boolean {
  try {
    const lowest = openSync("/dev/null", "r");
    closeSync(lowest);
    return lowest > limit - MARGIN;
  } catch {
    return true;
  }
}

/** The open descriptors of this process; null if none is free to read the list with. */
function openDescriptors(): number[] | null {
  try {
    return readdirSync("/proc/self/fd").map(Number);
  } catch {
    return null;
  }
}

function upTo(limit: number): number[] {
  return Array.from({ length: limit }, (_, descriptor) => descriptor);
}
