import { gunzip } from "node:zlib";
import type { Config } from "../../../config/table.ts";
import type { Host } from "../../../host/service.ts";
import { Status } from "../../../net/grpc/calls.ts";
import { HttpServer } from "../../../net/http.ts";
import type { Intake } from "../intake.ts";
import { Bodies } from "./bodies.ts";
import { type Door, DoorCounts, type Refusal } from "./door.ts";
import { jsonResponse, OtlpLogs, protobufResponse, protobufStatus } from "./otlp/export.ts";
import { jsonLogs } from "./otlp/json.ts";
import { protobufLogs } from "./otlp/protobuf.ts";
import { doorPlace } from "./places.ts";
import { BadMessage } from "./proto/fields.ts";
import type { TokenGuard } from "./token-guard.ts";
import { NoRoom, RETRY_SECONDS } from "./waiting.ts";

const PATH = "/v1/logs";
const SETTINGS = {
  // Longer bodies are refused here, in OpenTelemetry's way; what is not read is thrown away as it comes.
  maxBodyBytes: 2 ** 40,
  requestTimeoutMs: 60_000,
  accessLog: null,
  trustedProxies: [],
};
const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";
const LATER = { "retry-after": String(RETRY_SECONDS) };

/** A refusal as an answer: a `google.rpc.Status`. */
class HttpRefusal extends Error {
  readonly http: number;
  /** The code that gRPC has for it. */
  readonly code: number;
  readonly reason: Refusal;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    http: number,
    code: number,
    message: string,
    reason: Refusal = "malformed",
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.http = http;
    this.code = code;
    this.reason = reason;
    this.headers = headers;
  }
}

/** OpenTelemetry over HTTP: `POST /v1/logs`, as protobuf or JSON. */
export class HttpDoor implements Door {
  readonly name = "http";
  readonly counts = new DoorCounts();
  /** Requests are answered and gone. */
  readonly clients = null;
  readonly #http: HttpServer;
  readonly #tokens: TokenGuard;
  readonly #otlp: OtlpLogs;
  readonly #mostBytes: number;
  readonly #bodies: Bodies;

  /** @throws StartError when it cannot listen */
  constructor(config: Config, intake: Intake, tokens: TokenGuard, host: Host<Config>) {
    const { max_message_bytes: most, max_request_bytes: mostRequest } = config.collector;
    this.#tokens = tokens;
    this.#mostBytes = mostRequest;
    this.#bodies = new Bodies(host.clock, config.collector.buffer_bytes, 2 * mostRequest);
    this.#otlp = new OtlpLogs(intake, host.clock, this, { most, mostRequest });
    const answer = (request: Request, path: string, http: HttpServer) =>
      this.#answer(request, path, http);
    this.#http = new HttpServer(doorPlace(config, this.name), SETTINGS, answer, host);
  }

  get addresses() {
    return [this.#http.address];
  }

  health() {
    return this.#http.health();
  }

  configure(next: Config): void {
    this.#http.configure(doorPlace(next, this.name), SETTINGS);
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#http.drain(deadlineMs);
  }

  async #answer(request: Request, path: string, http: HttpServer): Promise<Response> {
    const isJson = typeOf(request) !== PROTOBUF;
    try {
      this.#admit(request, path, http);
      const exported = await this.#export(request, http.originOf(request).ip, isJson);
      return isJson
        ? Response.json(jsonResponse(exported))
        : answered(200, PROTOBUF, protobufResponse(exported));
    } catch (error) {
      const refused = refusalOf(error);
      this.counts.refused[refused.reason]++;
      const { code, message } = refused;
      const status = isJson
        ? Buffer.from(JSON.stringify({ code, message }))
        : protobufStatus(code, message);
      return answered(refused.http, isJson ? JSON_TYPE : PROTOBUF, status, refused.headers);
    }
  }

  /** @throws HttpRefusal when a request is not to be read */
  #admit(request: Request, path: string, http: HttpServer): void {
    const { headers, method } = request;
    const { invalidArgument, permissionDenied, resourceExhausted, unauthenticated } = Status;
    if (headers.has("origin")) {
      throw new HttpRefusal(403, permissionDenied, "Pages of the web may not post here.", "denied");
    }
    const { ip, port } = http.originOf(request);
    const refusal = this.#tokens.refuses(headers.get("authorization") ?? "", ip, port);
    if (refusal !== null) {
      const { message, waitSeconds } = refusal;
      const wait = { "retry-after": String(waitSeconds) };
      if (waitSeconds > 0) throw new HttpRefusal(429, resourceExhausted, message, "token", wait);
      throw new HttpRefusal(401, unauthenticated, message, "token", {
        "www-authenticate": "Bearer",
      });
    }
    if (path !== PATH) throw new HttpRefusal(404, invalidArgument, `There is ${PATH} alone.`);
    if (method !== "POST") {
      throw new HttpRefusal(405, invalidArgument, "Logs are posted.", "malformed", {
        allow: "POST",
      });
    }
    if (http.refuses(request)) {
      const { unavailable } = Status;
      throw new HttpRefusal(503, unavailable, "There are too many requests.", "full", LATER);
    }
    const type = typeOf(request);
    if (type !== PROTOBUF && type !== JSON_TYPE) {
      throw new HttpRefusal(
        415,
        invalidArgument,
        `The type of the content is ${PROTOBUF} or ${JSON_TYPE}.`,
      );
    }
    const coding = codingOf(request);
    if (coding !== "identity" && coding !== "gzip") {
      throw new HttpRefusal(415, invalidArgument, "The content is encoded by gzip, or not at all.");
    }
  }

  /** Reads the body of a request and takes its logs. Rejects with `HttpRefusal`, `BadMessage` or `NoRoom`. */
  async #export(request: Request, ip: string, isJson: boolean) {
    const isPacked = codingOf(request) === "gzip";
    const announced = Number(request.headers.get("content-length") ?? this.#mostBytes);
    if (announced > this.#mostBytes) throw tooLong(this.#mostBytes);
    return this.#bodies.hold(
      ip,
      (add) => bodyOf(request, this.#mostBytes, add),
      async (body, add) => {
        if (isPacked) add(this.#mostBytes);
        const bytes = isPacked ? await unpacked(body, this.#mostBytes) : body;
        if (isPacked) add(bytes.length - this.#mostBytes);
        return this.#otlp.take(isJson ? jsonLogs(bytes) : protobufLogs(bytes), bytes.length);
      },
    );
  }
}

function refusalOf(error: unknown): HttpRefusal {
  if (error instanceof HttpRefusal) return error;
  if (error instanceof BadMessage) {
    return new HttpRefusal(400, Status.invalidArgument, `These are no logs: ${error.message}.`);
  }
  if (error instanceof NoRoom) {
    return new HttpRefusal(503, Status.unavailable, error.message, "full", LATER);
  }
  throw error;
}

function tooLong(most: number): HttpRefusal {
  const { invalidArgument } = Status;
  return new HttpRefusal(413, invalidArgument, `A request has ${most} bytes at most.`, "oversized");
}

function typeOf({ headers }: Request): string {
  return (headers.get("content-type") ?? "").split(";", 1).join().trim().toLowerCase();
}

function codingOf({ headers }: Request): string {
  return (headers.get("content-encoding") ?? "identity").trim().toLowerCase();
}

function answered(
  status: number,
  type: string,
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, { status, headers: { ...headers, "content-type": type } });
}

/**
 * The whole body. Rejects with `HttpRefusal` when it is too long, whatever length was announced.
 * @param add told of bytes as they come; it may throw
 */
async function bodyOf(
  request: Request,
  most: number,
  add: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > most) throw tooLong(most);
    add(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Rejects with `BadMessage` when it is not gzip, and with `HttpRefusal` when it is too long. */
function unpacked(body: Buffer, most: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(body, { maxOutputLength: most }, (error, bytes) => {
      if (error === null) resolve(bytes);
      else if (error.message.includes("larger than")) reject(tooLong(most));
      else reject(new BadMessage("it is not gzip"));
    });
  });
}
