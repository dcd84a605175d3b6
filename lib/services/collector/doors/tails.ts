import { reasonOf } from "../../../config/reason.ts";
import { isFailure } from "../../../host/disk.ts";
import { Seldom } from "../../../host/seldom.ts";
import type { Host } from "../../../host/service.ts";
import type { CallClient } from "../../../net/grpc/calls.ts";
import { Follower } from "../file/read/follow.ts";
import { sequenceOf } from "../file/read/reading.ts";
import { BadMessage, bytesField, Fields, varintField, Wire } from "./proto/fields.ts";

/** Milliseconds between two looks at the log. */
const LOOK_MS = 200;
/** Bytes that may wait for a client before no more is read for it. */
const MOST_WAITING = 256 * 1024;
/** Milliseconds that a client may take nothing: it keeps files open that may have been removed. */
const PATIENCE_MS = 60_000;

/** A client that reads the log. */
interface Reader {
  readonly follower: Follower;
  /** Called when the client has room again; null while it has. */
  hasRoom: (() => void) | null;
  /** Since when it has had no room; clock milliseconds. */
  fullSince: number;
}

/** The end of a client that reads the log, with the words that it gets. */
export type EndTail<C> = (client: C, reason: "slow" | "bug", notice: string) => void;

/** Streams the lines of the log to clients, from a number on and as they are written, each as fast as it takes them. */
export class Tails<C extends CallClient> {
  readonly #path: string;
  readonly #host: Pick<Host<never>, "clock" | "log">;
  readonly #end: EndTail<C>;
  readonly #readers = new Map<C, Reader>();
  /** Clients may ask for a log that cannot be read as often as they like. */
  readonly #unread: Seldom;
  readonly #stop: () => void;

  constructor(path: string, host: Pick<Host<never>, "clock" | "log">, end: EndTail<C>) {
    this.#path = path;
    this.#host = host;
    this.#end = end;
    this.#unread = new Seldom(host.clock, (_, more) =>
      host.log.error(`collector: cannot read ${path}, ${more} more times`),
    );
    this.#stop = host.clock.every(LOOK_MS, () => this.#look());
  }

  /** Begins for a client. @param request `TailRequest` @throws BadMessage */
  begin(client: C, request: Buffer): void {
    if (this.#readers.has(client)) throw new BadMessage("there is one request already");
    const follower = new Follower(this.#path, fromSeq(request), (line) => this.#give(client, line));
    this.#readers.set(client, { follower, hasRoom: null, fullSince: 0 });
    void this.#lookFor(client, follower);
  }

  /** The client's wire takes bytes again. */
  drained(client: C): void {
    const reader = this.#readers.get(client);
    if (!reader?.hasRoom || waitingFor(client) > MOST_WAITING / 2) return;
    reader.hasRoom();
    reader.hasRoom = null;
  }

  /** The client has gone. */
  forget(client: C): void {
    const reader = this.#readers.get(client);
    this.#readers.delete(client);
    reader?.follower.close();
    reader?.hasRoom?.();
  }

  end(): void {
    this.#stop();
    this.#unread.close();
    for (const client of this.#readers.keys()) this.forget(client);
  }

  #look(): void {
    const latest = this.#host.clock.now() - PATIENCE_MS;
    for (const [client, { follower, hasRoom, fullSince }] of this.#readers) {
      if (hasRoom === null) void this.#lookFor(client, follower);
      else if (fullSince <= latest) {
        this.#end(client, "slow", `You have taken nothing for ${PATIENCE_MS / 1000} seconds.`);
      }
    }
  }

  async #lookFor(client: C, follower: Follower): Promise<void> {
    try {
      await follower.look();
    } catch (error) {
      if (!isFailure(error)) this.#host.log.bug(error, `reading the log for ${client.address}`);
      else if (this.#unread.isFirst("")) {
        this.#host.log.error(`collector: cannot read ${this.#path}: ${reasonOf(error)}`);
      }
      this.#end(client, "bug", "The log cannot be read.");
    }
  }

  #give(client: C, line: Buffer): void | Promise<void> {
    const reader = this.#readers.get(client);
    if (reader === undefined) return;
    client.send(Buffer.concat([varintField(1, sequenceOf(line) ?? 0), bytesField(2, line)]));
    if (waitingFor(client) < MOST_WAITING) return;
    reader.fullSince = this.#host.clock.now();
    return new Promise((resolve) => {
      reader.hasRoom = resolve;
    });
  }
}

function waitingFor({ outbox, wire }: CallClient): number {
  return outbox.bytes + (wire.waiting ?? 0);
}

/** The number in a `TailRequest`. @throws BadMessage */
function fromSeq(request: Buffer): number {
  const fields = new Fields(request);
  let from = 0;
  while (fields.next()) {
    if (fields.number !== 1) continue;
    if (fields.kind !== Wire.varint) throw new BadMessage("from_seq is no number");
    from = fields.value;
  }
  return from;
}
