import type { Config } from "../../../config/table.ts";
import type { Address, Host } from "../../../host/service.ts";
import { addressText } from "../../../host/service.ts";
import { Admission } from "../../../net/admission.ts";
import { type Accepted, Client } from "../../../net/client.ts";
import { Clients } from "../../../net/clients.ts";
import { Datagrams, type DatagramSink } from "../../../net/datagrams.ts";
import { Listener } from "../../../net/listen.ts";
import { Pinned } from "../../../net/outbox.ts";
import type { Protocol } from "../../../net/protocol.ts";
import type { Intake } from "../intake.ts";
import { type Door, DoorCounts, DoorNumber, Held, Refused, Turns } from "./door.ts";
import { doorPlace } from "./places.ts";
import { type SyslogSink, SyslogSplitter } from "./syslog/framing.ts";
import { SyslogReader, trimmedEnd } from "./syslog/message.ts";

/** Bytes of datagrams that wait for room at most; further ones are lost. */
const MOST_WAITING = 2 ** 20;
/** Bytes that each of them counts besides its own: a small one takes memory, too. */
const MORE_BYTES = 256;

/** A client that sends messages over TCP. */
class SyslogClient extends Client {
  readonly splitter = new SyslogSplitter();

  override get unfinishedBytes(): number {
    return this.splitter.heldBytes;
  }

  override forget(): void {
    super.forget();
    this.splitter.clear();
  }

  /** Syslog goes one way: the connection ends without a word. */
  override tell(): void {}
}

/** A datagram that waits for room. */
interface Waiting {
  readonly bytes: Buffer;
  readonly ip: string;
  /** When it came, in milliseconds since 1970. */
  readonly wall: number;
}

/** Syslog over TCP, with or without TLS, and over UDP. */
export class SyslogDoor
  implements Door, Protocol<SyslogClient>, SyslogSink<SyslogClient>, DatagramSink
{
  readonly name = "syslog";
  readonly counts = new DoorCounts();
  readonly clients: Clients<SyslogClient>;
  readonly #intake: Intake;
  readonly #host: Host<Config>;
  readonly #listener: Listener<SyslogClient>;
  readonly maxLineBytes: number;
  readonly #pinned = new Pinned();
  readonly #refused: Refused;
  readonly #reader = new SyslogReader();
  readonly #turns: Turns<SyslogClient>;
  readonly #held: Held<SyslogClient>;
  readonly #endWatch: () => void;
  /** Null where clients needed a certificate at the start. */
  #datagrams: Datagrams | null = null;
  /** True while clients need a certificate, which a datagram cannot show. */
  #needsCertificate: boolean;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;

  /** Rejects with `StartError` when it cannot listen. */
  static async open(config: Config, intake: Intake, host: Host<Config>): Promise<SyslogDoor> {
    const door = new SyslogDoor(config, intake, host);
    const place = doorPlace(config, door.name);
    if (door.#needsCertificate) return door;
    try {
      door.#datagrams = await Datagrams.open(place, door);
    } catch (error) {
      await door.drain(0);
      throw error;
    }
    return door;
  }

  private constructor(config: Config, intake: Intake, host: Host<Config>) {
    this.maxLineBytes = config.collector.max_message_bytes;
    this.#intake = intake;
    this.#host = host;
    this.#refused = new Refused(this.name, this.counts, host);
    const place = doorPlace(config, this.name);
    this.#needsCertificate = place.tls.require_client_cert;
    this.clients = new Clients<SyslogClient>(this, new Admission(place, host), host);
    this.#turns = new Turns(this.clients);
    this.#held = new Held(this.clients, intake);
    this.#listener = new Listener(place, this.clients, host);
    this.#endWatch = intake.watch(() => this.#progressed());
  }

  get addresses(): readonly Address[] {
    const { address } = this.#listener;
    return this.#datagrams ? [address, this.#datagrams.address] : [address];
  }

  health() {
    return this.#listener.health();
  }

  configure(next: Config): void {
    const place = doorPlace(next, this.name);
    this.#listener.configure(place);
    this.#needsCertificate = place.tls.require_client_cert;
    this.#datagrams?.configure(place);
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#datagrams?.close();
    await this.#listener.drain(deadlineMs, "");
    this.#endWatch();
    // What waits was taken from the system: it is no longer anybody else's.
    for (const { bytes, ip, wall } of this.#waiting.splice(0)) {
      this.#take(bytes, 0, bytes.length, ip, wall);
    }
    this.#refused.end();
  }

  // --- over TCP

  create(accepted: Accepted): SyslogClient {
    return new SyslogClient(accepted, this.#pinned);
  }

  received(client: SyslogClient, bytes: Buffer): number {
    this.#held.holdIfFull(client);
    return client.splitter.feed(client, bytes, this.maxLineBytes, this);
  }

  ended(client: SyslogClient): void {
    client.splitter.end(client, this);
  }

  closed(client: SyslogClient): void {
    this.#held.forget(client);
  }

  message(client: SyslogClient, bytes: Buffer, start: number, end: number): void {
    client.lastMessageAt = this.#host.clock.now();
    this.#turns.took(client, end - start);
    if (!this.#take(bytes, start, end, client.ip, this.#host.clock.wall())) return;
    client.messagesIn++;
    this.#held.holdIfFull(client);
  }

  oversize(client: SyslogClient, length: number): void {
    const why = `a message of ${length > 0 ? `${length} bytes` : "more bytes"} is skipped`;
    client.refuse("oversized", why);
    this.#refused.note("oversized", client.address, why);
  }

  broken(client: SyslogClient, length: number): void {
    const why = `a message of ${length} bytes was announced`;
    client.refuse("malformed", why);
    this.#refused.note("malformed", `${client.address} is closed`, why);
    this.clients.close(client, "malformed");
  }

  // --- over UDP

  datagram(bytes: Buffer, ip: string, port: number): void {
    const wall = this.#host.clock.wall();
    if (this.#needsCertificate) this.denied();
    else if (bytes.length > this.maxLineBytes) {
      this.#refused.note("oversized", addressText(ip, port), `a datagram of ${bytes.length} bytes`);
    } else if (!this.#intake.isFull) this.#take(bytes, 0, bytes.length, ip, wall);
    else if (this.#waitingBytes + MORE_BYTES + bytes.length > MOST_WAITING) {
      this.#refused.note("full", addressText(ip, port), "a datagram is lost");
    } else {
      this.#waiting.push({ bytes, ip, wall });
      this.#waitingBytes += MORE_BYTES + bytes.length;
    }
  }

  denied(): void {
    this.counts.refused.denied++;
  }

  // --- both

  /** @returns false for a message of nothing */
  #take(bytes: Buffer, start: number, end: number, ip: string, wall: number): boolean {
    const to = trimmedEnd(bytes, start, end);
    if (to === start) return false;
    const isUnderstood = this.#reader.read(bytes, start, to, ip, wall);
    if (!isUnderstood) this.counts.keptWhole++;
    this.counts.records++;
    this.counts.bytes += end - start;
    this.#intake.take(this.#reader.entry, DoorNumber.syslog);
    return true;
  }

  #progressed(): void {
    let taken = 0;
    while (taken < this.#waiting.length && !this.#intake.isFull) {
      const { bytes, ip, wall } = this.#waiting[taken++] as Waiting;
      this.#waitingBytes -= MORE_BYTES + bytes.length;
      this.#take(bytes, 0, bytes.length, ip, wall);
    }
    this.#waiting.splice(0, taken);
  }
}
