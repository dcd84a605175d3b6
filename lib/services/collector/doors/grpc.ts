import type { Metadata } from "@grpc/grpc-js";
import type { Place } from "../../../config/place.ts";
import type { Config } from "../../../config/table.ts";
import type { Host } from "../../../host/service.ts";
import { Admission } from "../../../net/admission.ts";
import type { Accepted } from "../../../net/client.ts";
import { Clients } from "../../../net/clients.ts";
import { type AnswerCall, type CallFrom, GrpcServer } from "../../../net/grpc.ts";
import { CallClient, CallError, Status } from "../../../net/grpc/calls.ts";
import { Pinned } from "../../../net/outbox.ts";
import type { Protocol } from "../../../net/protocol.ts";
import { Entry } from "../entry.ts";
import type { Intake } from "../intake.ts";
import { type Acknowledged, Acks } from "./acks.ts";
import { type Door, DoorCounts, DoorNumber, Held, Refused, type Refusal } from "./door.ts";
import { OtlpLogs, protobufResponse, retryStatus } from "./otlp/export.ts";
import { protobufLogs } from "./otlp/protobuf.ts";
import { doorPlace } from "./places.ts";
import { BadMessage, TooLong, varintField } from "./proto/fields.ts";
import { LONG_RECORD, readRecord, SHORT_RECORD } from "./proto/records.ts";
import { Tails } from "./tails.ts";
import type { TokenGuard } from "./token-guard.ts";
import { NoRoom, room } from "./waiting.ts";

/** Bytes that the protocol and its fields add to the texts of a record at most. */
const MORE_BYTES = 1024;

const NO_RECORD = "This is no record";
const NO_REQUEST = "This is no request";

const STREAM = "/summoner.logs.v1.LogCollector/LogStream";
const UPLOAD = "/summoner.logs.v1.LogCollector/LogUpload";
const TAIL = "/summoner.logs.v1.LogCollector/Tail";
const HEALTH = "/grpc.health.v1.Health/Check";
const EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/** `LogResponse { success = true }`. */
const SUCCESS = varintField(1, 1);
/** `HealthCheckResponse { status = SERVING or NOT_SERVING }` of grpc.health.v1. */
const SERVING = varintField(1, 1);
const NOT_SERVING = varintField(1, 2);

/** A streaming call: of records, or of the lines of the log. */
class LogCall extends CallClient implements Acknowledged {
  records = 0;
  readonly turns: Acknowledged["turns"] = [];
  /** It has sent its last record. */
  hasEnded = false;
}

/** The gRPC door: calls of one record each, and streams of them. */
export class GrpcDoor implements Door, Protocol<LogCall> {
  readonly name = "grpc";
  readonly counts = new DoorCounts();
  readonly clients: Clients<LogCall>;
  /** A stream that has ended still gets its acknowledgements. */
  readonly finishes = true;
  readonly #intake: Intake;
  readonly #host: Host<Config>;
  readonly #entry = new Entry();
  readonly #acks: Acks<LogCall>;
  readonly #mostBytes: number;
  readonly #pinned = new Pinned();
  readonly #tokens: TokenGuard;
  readonly #refused: Refused;
  readonly #otlp: OtlpLogs;
  readonly #held: Held<LogCall>;
  readonly #tails: Tails<LogCall>;
  readonly #endWatch: () => void;
  #server!: GrpcServer<LogCall>;

  /** @throws StartError when it cannot listen */
  static async open(
    config: Config,
    intake: Intake,
    tokens: TokenGuard,
    host: Host<Config>,
  ): Promise<GrpcDoor> {
    const place = doorPlace(config, "grpc");
    const door = new GrpcDoor(config, intake, place, tokens, host);
    const unary: Record<string, AnswerCall> = {
      "/LogService/LogMessage": (request) => door.#answer(request, SHORT_RECORD),
      "/logservice.LogService/LogMessage": (request) => door.#answer(request, LONG_RECORD),
      "/logservice.LogBridge/LogMessage": (request) => door.#answer(request, LONG_RECORD),
      [EXPORT]: (request) => door.#export(request),
      [HEALTH]: () => (intake.blocked === null ? SERVING : NOT_SERVING),
    };
    door.#server = await GrpcServer.open(
      place,
      {
        unary,
        streaming: [STREAM, UPLOAD, TAIL],
        clients: door.clients,
        refuses: (path, metadata, from) => door.#refuses(path, metadata, from),
        maxMessageBytes: Math.max(door.#mostBytes + MORE_BYTES, config.collector.max_request_bytes),
      },
      host,
    );
    return door;
  }

  private constructor(
    config: Config,
    intake: Intake,
    place: Place,
    tokens: TokenGuard,
    host: Host<Config>,
  ) {
    const { max_message_bytes: most, max_request_bytes: mostRequest } = config.collector;
    this.#intake = intake;
    this.#host = host;
    this.#mostBytes = most;
    this.#tokens = tokens;
    this.#refused = new Refused(this.name, this.counts, host);
    this.#otlp = new OtlpLogs(intake, host.clock, this, { most, mostRequest });
    this.clients = new Clients<LogCall>(this, new Admission(place, host), host);
    this.#acks = new Acks(intake, (client, records) => this.#acknowledge(client, records));
    this.#held = new Held(this.clients, intake, (client) => {
      if (client.hasEnded) this.#finish(client);
    });
    this.#tails = new Tails(config.collector.path, host, (client, reason, notice) =>
      this.clients.close(client, reason, notice),
    );
    this.#endWatch = intake.watch(() => this.#progressed());
  }

  get addresses() {
    return [this.#server.address];
  }

  health() {
    return this.#server.health();
  }

  configure(next: Config): void {
    this.#server.configure(doorPlace(next, this.name));
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#server.drain(deadlineMs, "The server is stopping.");
    this.#endWatch();
    this.#tails.end();
    this.#refused.end();
  }

  /** The refusal of a call without the token. Whether this server lives, anybody may ask. */
  #refuses(path: string, metadata: Metadata, { ip, port }: CallFrom): CallError | null {
    if (path === HEALTH) return null;
    const refusal = this.#tokens.refuses(String(metadata.get("authorization")[0] ?? ""), ip, port);
    if (refusal === null) return null;
    this.counts.refused.token++;
    return new CallError(Status.unauthenticated, refusal.message);
  }

  // --- calls of one record

  async #answer(request: Buffer, places: typeof LONG_RECORD): Promise<Buffer> {
    return this.#answered(async () => {
      await room(this.#intake, this.#host.clock);
      const number = this.#take(request, places);
      await this.#intake.whenKept(number);
      return SUCCESS;
    });
  }

  /** Answers a call of OpenTelemetry. */
  async #export(request: Buffer): Promise<Buffer> {
    return this.#answered(
      async () => protobufResponse(await this.#otlp.take(protobufLogs(request), request.length)),
      "These are no logs",
    );
  }

  /** Gives a refusal of ours the status that it has in gRPC. */
  async #answered(answer: () => Promise<Buffer>, malformed = NO_RECORD): Promise<Buffer> {
    try {
      return await answer();
    } catch (error) {
      if (error instanceof BadMessage) {
        this.counts.refused[reasonOf(error)]++;
        throw new CallError(Status.invalidArgument, `${malformed}: ${error.message}.`);
      }
      if (!(error instanceof NoRoom)) throw error;
      this.counts.refused.full++;
      const { unavailable } = Status;
      throw new CallError(unavailable, error.message, retryStatus(unavailable, error.message));
    }
  }

  /** @returns the number of the entry @throws BadMessage when it is no record */
  #take(message: Buffer, places: typeof LONG_RECORD): number {
    if (message.length > this.#mostBytes) {
      throw new TooLong(`it has more than ${this.#mostBytes} bytes`);
    }
    readRecord(message, places, this.#entry);
    this.counts.records++;
    this.counts.bytes += message.length;
    return this.#intake.take(this.#entry, DoorNumber.grpc);
  }

  // --- streams

  /** Acknowledgements come when the records are on disk; that of an upload comes now, for what it has sent so far. */
  async settled(): Promise<void> {
    await this.#intake.whenAllDurable();
    for (const client of this.clients.all) {
      client.hasEnded ||= client.path === UPLOAD;
      if (client.path === UPLOAD) this.#finish(client);
    }
  }

  create(accepted: Accepted): LogCall {
    return new LogCall(accepted, this.#pinned);
  }

  received(client: LogCall, bytes: Buffer): number {
    if (client.path !== TAIL && this.#intake.isFull) {
      this.#held.holdIfFull(client);
      return 0;
    }
    client.lastMessageAt = this.#host.clock.now();
    client.messagesIn++;
    try {
      if (client.path === TAIL) {
        this.#tails.begin(client, bytes);
        return bytes.length;
      }
      const number = this.#take(bytes, LONG_RECORD);
      client.records++;
      this.#acks.note(client, number + 1);
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error;
      client.refuse(reasonOf(error), error.message);
      this.#refused.note(reasonOf(error), `${client.address} is closed`, error.message);
      const what = client.path === TAIL ? NO_REQUEST : NO_RECORD;
      this.clients.close(client, "malformed", `${what}: ${error.message}.`);
    }
    return bytes.length;
  }

  drained(client: LogCall): void {
    this.#tails.drained(client);
  }

  ended(client: LogCall): void {
    // A request is followed by nothing.
    if (client.path === TAIL) return;
    client.hasEnded = true;
    this.#finish(client);
  }

  closed(client: LogCall): void {
    this.#acks.forget(client);
    this.#held.forget(client);
    this.#tails.forget(client);
  }

  #progressed(): void {
    this.#acks.progressed();
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

function reasonOf(error: BadMessage): Refusal {
  return error instanceof TooLong ? "oversized" : "malformed";
}
