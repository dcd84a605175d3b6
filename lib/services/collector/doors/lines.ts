import type { Config } from "../../../config/table.ts";
import type { Host } from "../../../host/service.ts";
import { Admission } from "../../../net/admission.ts";
import type { Accepted } from "../../../net/client.ts";
import { Clients } from "../../../net/clients.ts";
import {
  LineClient,
  type LineProtocol,
  takeLastLine,
  takeLines,
} from "../../../net/line-clients.ts";
import { Listener } from "../../../net/listen.ts";
import { Pinned } from "../../../net/outbox.ts";
import type { Intake } from "../intake.ts";
import { type Door, DoorCounts, DoorNumber, Held, Refused, Turns } from "./door.ts";
import { LineReader } from "./lines/fields.ts";
import { doorPlace } from "./places.ts";

const [NEWLINE, RETURN] = [10, 13];

/** A client that sends lines, and hears nothing. */
class LogLineClient extends LineClient {
  override tell(): void {}
}

/** Lines over TCP, of plain text or of JSON. */
export class LinesDoor implements Door, LineProtocol<LogLineClient> {
  readonly name = "lines";
  readonly counts = new DoorCounts();
  readonly clients: Clients<LogLineClient>;
  readonly maxLineBytes: number;
  readonly #intake: Intake;
  readonly #host: Host<Config>;
  readonly #listener: Listener<LogLineClient>;
  readonly #pinned = new Pinned();
  readonly #refused: Refused;
  readonly #reader: LineReader;
  readonly #turns: Turns<LogLineClient>;
  readonly #held: Held<LogLineClient>;

  /** @throws StartError when it cannot listen */
  constructor(config: Config, intake: Intake, host: Host<Config>) {
    this.maxLineBytes = config.collector.max_message_bytes;
    this.#reader = new LineReader(config.collector.line_keys);
    this.#intake = intake;
    this.#host = host;
    this.#refused = new Refused(this.name, this.counts, host);
    const place = doorPlace(config, this.name);
    this.clients = new Clients<LogLineClient>(this, new Admission(place, host), host);
    this.#turns = new Turns(this.clients);
    this.#listener = new Listener(place, this.clients, host);
    this.#held = new Held(this.clients, intake);
  }

  get addresses() {
    return [this.#listener.address];
  }

  health() {
    return this.#listener.health();
  }

  configure(next: Config): void {
    this.#listener.configure(doorPlace(next, this.name));
    this.#reader.configure(next.collector.line_keys);
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#listener.drain(deadlineMs, "");
    this.#refused.end();
  }

  // --- one client's life

  create(accepted: Accepted): LogLineClient {
    return new LogLineClient(accepted, this.#pinned);
  }

  received(client: LogLineClient, bytes: Buffer): number {
    this.#held.holdIfFull(client);
    return client.reading ? takeLines(this, client, bytes) : 0;
  }

  ended(client: LogLineClient): void {
    takeLastLine(this, client);
  }

  closed(client: LogLineClient): void {
    this.#held.forget(client);
  }

  lines(client: LogLineClient, block: Buffer): number {
    client.lastMessageAt = this.#host.clock.now();
    let at = 0;
    while (at < block.length) {
      const newline = block.indexOf(NEWLINE, at);
      this.#line(client, block, at, newline);
      at = newline + 1;
      this.#held.holdIfFull(client);
      if (!client.reading) break;
    }
    return at;
  }

  oversize(client: LogLineClient): void {
    const why = `a line of more than ${this.maxLineBytes} bytes is skipped`;
    client.refuse("oversized", why);
    this.#refused.note("oversized", client.address, why);
  }

  #line(client: LogLineClient, block: Buffer, start: number, newline: number): void {
    this.#turns.took(client, newline - start);
    const end = newline > start && block[newline - 1] === RETURN ? newline - 1 : newline;
    if (end === start) return;
    if (newline - start > this.maxLineBytes) return this.oversize(client);
    client.messagesIn++;
    const wall = this.#host.clock.wall();
    if (!this.#reader.read(block, start, end, client.ip, wall)) this.counts.keptWhole++;
    this.counts.records++;
    this.counts.bytes += newline - start;
    this.#intake.take(this.#reader.entry, DoorNumber.lines);
  }
}
