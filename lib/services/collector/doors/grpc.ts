import { placeOf, type Place } from "../../../config/place.ts";
import type { Config } from "../../../config/table.ts";
import { within } from "../../../host/clock.ts";
import type { Host } from "../../../host/service.ts";
import { Admission } from "../../../net/admission.ts";
import type { Accepted } from "../../../net/client.ts";
import { Clients } from "../../../net/clients.ts";
import { type AnswerCall, GrpcServer } from "../../../net/grpc.ts";
import { CallClient, CallError, Status } from "../../../net/grpc/calls.ts";
import { Pinned } from "../../../net/outbox.ts";
import type { Protocol } from "../../../net/protocol.ts";
import { Entry } from "../entry.ts";
import type { Intake } from "../intake.ts";
import { type Acknowledged, Acks } from "./acks.ts";
import { countRefused, type Door, noCounts } from "./door.ts";
import { BadMessage, varintField } from "./proto/fields.ts";
import { LONG_RECORD, readRecord, SHORT_RECORD } from "./proto/records.ts";

/** The reason to hold a client while too much waits for the disk. */
const FULL = 2;
/** Milliseconds that a call waits for room before it is refused. */
const ROOM_MS = 10_000;
/** Bytes that the protocol and its fields add to the texts of a record at most. */
const MORE_BYTES = 1024;

const STREAM = "/summoner.logs.v1.LogCollector/LogStream";
const UPLOAD = "/summoner.logs.v1.LogCollector/LogUpload";

/** `LogResponse { success = true }`. */
const SUCCESS = varintField(1, 1);
/** `HealthCheckResponse { status = SERVING or NOT_SERVING }` of grpc.health.v1. */
const SERVING = varintField(1, 1);
const NOT_SERVING = varintField(1, 2);

/** A stream of records. */
class LogCall extends CallClient implements Acknowledged {
  records = 0;
  readonly turns: Acknowledged["turns"] = [];
  /** It has sent its last record. */
  hasEnded = false;
}

/** The gRPC door: calls of one record each, and streams of them. */
export class GrpcDoor implements Door, Protocol<LogCall> {
  readonly name = "grpc";
  readonly counts = noCounts();
  readonly clients: Clients<LogCall>;
  /** A stream that has ended still gets its acknowledgements. */
  readonly finishes = true;
  readonly #intake: Intake;
  readonly #host: Host<Config>;
  readonly #entry = new Entry();
  readonly #acks: Acks<LogCall>;
  readonly #mostBytes: number;
  readonly #pinned = new Pinned();
  readonly #endWatch: () => void;
  #server!: GrpcServer<LogCall>;

  /** @throws StartError when it cannot listen */
  static async open(config: Config, intake: Intake, host: Host<Config>): Promise<GrpcDoor> {
    const place = grpcPlace(config);
    const door = new GrpcDoor(config, intake, place, host);
    const unary: Record<string, AnswerCall> = {
      "/LogService/LogMessage": (request) => door.#answer(request, SHORT_RECORD),
      "/logservice.LogService/LogMessage": (request) => door.#answer(request, LONG_RECORD),
      "/logservice.LogBridge/LogMessage": (request) => door.#answer(request, LONG_RECORD),
      "/grpc.health.v1.Health/Check": () => (intake.blocked === null ? SERVING : NOT_SERVING),
    };
    door.#server = await GrpcServer.open(
      place,
      {
        unary,
        streaming: [STREAM, UPLOAD],
        clients: door.clients,
        maxMessageBytes: door.#mostBytes + MORE_BYTES,
      },
      host,
    );
    return door;
  }

  private constructor(config: Config, intake: Intake, place: Place, host: Host<Config>) {
    this.#intake = intake;
    this.#host = host;
    this.#mostBytes = config.collector.max_message_bytes;
    this.clients = new Clients<LogCall>(this, new Admission(place, host), host);
    this.#acks = new Acks(intake, (client, records) => this.#acknowledge(client, records));
    this.#endWatch = intake.watch(() => this.#progressed());
  }

  get address() {
    return this.#server.address;
  }

  health() {
    return this.#server.health();
  }

  configure(next: Config): void {
    this.#server.configure(grpcPlace(next));
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#server.drain(deadlineMs, "The server is stopping.");
    this.#endWatch();
  }

  // --- calls of one record

  async #answer(request: Buffer, places: typeof LONG_RECORD): Promise<Buffer> {
    await this.#room();
    const number = this.#take(request, places);
    await this.#intake.whenKept(number);
    return SUCCESS;
  }

  /** Resolves when another entry may be taken. @throws CallError when that takes too long */
  async #room(): Promise<void> {
    const { clock } = this.#host;
    const by = clock.now() + ROOM_MS;
    while (this.#intake.isFull) {
      const left = by - clock.now();
      if (left > 0) await within(clock, left, this.#intake.whenRoom());
      else {
        const why = this.#intake.blocked ?? "too much waits for the disk";
        throw new CallError(Status.unavailable, `The log cannot be written: ${why}.`);
      }
    }
  }

  /** @returns the number of the entry @throws CallError when it is no record */
  #take(message: Buffer, places: typeof LONG_RECORD): number {
    try {
      if (message.length > this.#mostBytes) {
        throw new BadMessage(`it has more than ${this.#mostBytes} bytes`);
      }
      readRecord(message, places, this.#entry);
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error;
      countRefused(this.counts, "malformed");
      throw new CallError(Status.invalidArgument, `This is no record: ${error.message}.`);
    }
    this.counts.records++;
    this.counts.bytes += message.length;
    return this.#intake.take(this.#entry);
  }

  // --- streams

  create(accepted: Accepted): LogCall {
    return new LogCall(accepted, this.#pinned);
  }

  received(client: LogCall, bytes: Buffer): number {
    if (this.#intake.isFull) {
      client.hold(FULL);
      return 0;
    }
    client.lastMessageAt = this.#host.clock.now();
    client.messagesIn++;
    try {
      const number = this.#take(bytes, LONG_RECORD);
      client.records++;
      this.#acks.note(client, number + 1);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      client.refused++;
      this.clients.close(client, "malformed", error.message);
    }
    return bytes.length;
  }

  ended(client: LogCall): void {
    client.hasEnded = true;
    this.#finish(client);
  }

  closed(client: LogCall): void {
    this.#acks.forget(client);
  }

  #progressed(): void {
    this.#acks.progressed();
    if (this.#intake.isFull) return;
    for (const client of this.clients.all) {
      if (client.isHeld(FULL)) this.clients.resume(client, FULL);
      if (client.hasEnded) this.#finish(client);
      if (this.#intake.isFull) break;
    }
  }

  #acknowledge(client: LogCall, records: number): void {
    if (client.path === STREAM) client.send(varintField(1, records));
    if (client.hasEnded) this.#finish(client);
  }

  /** Ends a stream once all its records are acknowledged. */
  #finish(client: LogCall): void {
    if (client.held.length > 0 || client.turns.length > 0) return;
    if (client.path === UPLOAD) client.send(varintField(1, client.records));
    this.clients.close(client, "eof");
  }
}

/** The place of the gRPC door: that of the service, on another port. */
export function grpcPlace(config: Config): Place {
  const place = placeOf(config, "collector");
  return { ...place, port: config.collector.grpc_port, portKey: "collector.grpc_port" };
}
