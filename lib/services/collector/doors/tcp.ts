import type { Config } from "../../../config/table.ts";
import { Seldom } from "../../../host/seldom.ts";
import type { Host } from "../../../host/service.ts";
import { Admission } from "../../../net/admission.ts";
import type { Accepted } from "../../../net/client.ts";
import { Clients } from "../../../net/clients.ts";
import { FrameClient, type FrameProtocol, takeFrames } from "../../../net/frame-clients.ts";
import { Listener } from "../../../net/listen.ts";
import { Pinned } from "../../../net/outbox.ts";
import { type Sending, Sends } from "../../../net/sends/sends.ts";
import { Entry } from "../entry.ts";
import type { Mark, Marks } from "../file/marks.ts";
import type { Intake } from "../intake.ts";
import { type Acknowledged, Acks } from "./acks.ts";
import { type Hello, isHello, readHello, readLoggerMsg } from "./capnp/logger-msg.ts";
import { Malformed, Message } from "./capnp/message.ts";
import { type Door, DoorCounts, DoorNumber, Held, Refused, type Refusal } from "./door.ts";
import { doorPlace } from "./places.ts";

/** The reason to hold a client that does not take its acknowledgements. */
const OWED = 4;
/** Bytes of acknowledgements that may wait for a client. */
const MOST_OWED = 4096;
/** Milliseconds between two heartbeats to a client that has said hello. */
const HEARTBEAT_MS = 10_000;
const EMPTY = Buffer.alloc(0);

/** A client that sends one Cap'n Proto message a frame. */
class LogClient extends FrameClient implements Acknowledged {
  hello: Hello | null = null;
  /** True until its first frame that is not empty. */
  isNew = true;
  records = 0;
  readonly turns: Acknowledged["turns"] = [];
  beatAt = Infinity;
  /** How far it has come in all its connections; null for a client without a name. */
  mark: Mark | null = null;

  /** Nothing in this protocol is a notice: the connection ends without a word. */
  override tell(): void {}
}

/** Cap'n Proto over TCP: frames of one packed `LoggerMsg` each. */
export class TcpDoor implements Door, FrameProtocol<LogClient>, Sending<LogClient> {
  readonly name = "tcp";
  readonly counts = new DoorCounts();
  readonly clients: Clients<LogClient>;
  readonly maxFrameBytes: number;
  readonly #intake: Intake;
  readonly #marks: Marks;
  /** The clients that have a name, by it. */
  readonly #named = new Map<string, LogClient>();
  readonly #host: Host<Config>;
  readonly #held: Held<LogClient>;
  readonly #listener: Listener<LogClient>;
  readonly #pinned = new Pinned();
  readonly #message: Message;
  readonly #entry = new Entry();
  readonly #acks: Acks<LogClient>;
  readonly #sends: Sends<LogClient>;
  readonly #refused: Refused;
  /** Clients that take each other's place could fill our log. */
  readonly #replaced: Seldom;
  readonly #ends: (() => void)[];

  /** @throws StartError when it cannot listen, or its sends cannot leave as they are to */
  constructor(config: Config, intake: Intake, marks: Marks, host: Host<Config>) {
    this.maxFrameBytes = config.collector.max_message_bytes;
    this.#message = new Message(this.maxFrameBytes);
    this.#intake = intake;
    this.#marks = marks;
    this.#host = host;
    this.#refused = new Refused(this.name, this.counts, host);
    this.#replaced = new Seldom(host.clock, (_, more) =>
      host.log.info(
        `collector: ${more} more connections are closed: their clients go on in others`,
      ),
    );
    this.#sends = new Sends(config, host, this);
    this.#acks = new Acks(
      intake,
      (client, records) => this.#acknowledge(client, records),
      () => this.#sends.leave(),
    );
    const place = doorPlace(config, this.name);
    this.clients = new Clients<LogClient>(this, new Admission(place, host), host);
    this.#held = new Held(this.clients, intake);
    this.#listener = new Listener(place, this.clients, host);
    this.#ends = [
      intake.watch(() => this.#progressed()),
      host.clock.every(1000, () => this.#beat()),
      () => this.#refused.end(),
      () => this.#replaced.close(),
    ];
  }

  get addresses() {
    return [this.#listener.address];
  }

  health() {
    return this.#listener.health();
  }

  configure(next: Config): void {
    this.#listener.configure(doorPlace(next, this.name));
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#listener.drain(deadlineMs, "");
    for (const end of this.#ends) end();
  }

  // --- one client's life

  /** Acknowledgements come when the records are on disk. */
  settled(): Promise<void> {
    return this.#intake.whenAllDurable();
  }

  create(accepted: Accepted): LogClient {
    return new LogClient(accepted, this.#pinned);
  }

  received(client: LogClient, bytes: Buffer): number {
    this.#held.holdIfFull(client);
    client.lastMessageAt = this.#host.clock.now();
    return takeFrames(this, client, bytes);
  }

  frame(client: LogClient, bytes: Buffer, start: number, end: number): void {
    // An empty frame is a heartbeat.
    if (start === end) return;
    try {
      if (client.isNew && isHello(bytes, start, end)) this.#greet(client, bytes, start, end);
      else this.#take(client, bytes, start, end);
      client.isNew = false;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#refuse(client, "malformed", error.message);
    }
  }

  oversize(client: LogClient, length: number): void {
    this.#refuse(client, "oversized", `a frame of ${length} bytes`);
  }

  drained(client: LogClient): void {
    if (client.outbox.bytes < MOST_OWED) this.clients.resume(client, OWED);
  }

  closed(client: LogClient): void {
    this.#acks.forget(client);
    this.#held.forget(client);
    const clientId = client.hello?.clientId ?? "";
    if (this.#named.get(clientId) === client) this.#named.delete(clientId);
  }

  #greet(client: LogClient, bytes: Buffer, start: number, end: number): void {
    const hello = readHello(this.#message, bytes, start, end);
    client.hello = hello;
    client.beatAt = this.#host.clock.now() + HEARTBEAT_MS;
    if (hello.clientId === "") return;
    const other = this.#named.get(hello.clientId);
    if (other !== undefined) {
      if (this.#replaced.isFirst("replaced")) {
        this.#host.log.info(
          `collector: ${other.address} is closed: ${client.address} goes on for the same client`,
        );
      }
      this.clients.cut(other, "reset");
    }
    this.#named.set(hello.clientId, client);
    client.mark = this.#marks.of(hello.clientId, hello.firstSeq);
  }

  #take(client: LogClient, bytes: Buffer, start: number, end: number): void {
    readLoggerMsg(this.#message, bytes, start, end, this.#entry);
    client.messagesIn++;
    const { hello, mark } = client;
    const own = (hello?.firstSeq ?? 0) + client.records++;
    if (mark !== null && own < mark.next) {
      // Sent again: it is kept as soon as it was the first time.
      this.counts.again++;
      if (hello?.acks) this.#acks.note(client, mark.entry);
      return;
    }
    this.counts.records++;
    this.counts.bytes += end - start;
    // Whose an entry is has to be known before it may be written, which may be at once.
    if (mark !== null) this.#marks.took(hello?.clientId ?? "", mark, own, this.#intake.next);
    const number = this.#intake.take(this.#entry, DoorNumber.tcp);
    if (hello?.acks) this.#acks.note(client, number + 1);
    this.#held.holdIfFull(client);
  }

  #refuse(client: LogClient, reason: Refusal, why: string): void {
    this.#refused.note(reason, `${client.address} is closed`, why);
    client.refuse(reason, why);
    this.clients.close(client, "malformed");
  }

  // --- acknowledgements

  #progressed(): void {
    this.#acks.progressed();
  }

  #acknowledge(client: LogClient, records: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(records));
    if (client.putFrame(bytes)) this.#sends.outbox(client);
  }

  waits(client: LogClient): void {
    if (client.outbox.bytes >= MOST_OWED) client.hold(OWED);
  }

  #beat(): void {
    const now = this.#host.clock.now();
    for (const client of this.clients.all) {
      if (client.beatAt > now) continue;
      client.beatAt = now + HEARTBEAT_MS;
      client.sendFrame(EMPTY);
    }
  }
}
