import type * as Grpc from "@grpc/grpc-js";
import { addressText } from "../../../host/service.ts";
import { BadMessage, Fields } from "../../../services/collector/doors/proto/fields.ts";
import { longRecord } from "../../../services/collector/doors/proto/records.ts";
import { Connection, notThere } from "../../client/connection.ts";
import type { Destination } from "../../client/destination.ts";
import { say } from "../../terminal/say.ts";
import type { RecordSender, SendOptions, SentRecord } from "./sender.ts";

const STREAM = "/summoner.logs.v1.LogCollector/LogStream";
const asItIs = (bytes: Buffer) => bytes;

/** A stream of records by gRPC. */
export class GrpcSender implements RecordSender {
  acknowledged = 0;
  readonly #client: Grpc.Client;
  readonly #stream: Grpc.ClientDuplexStream<Buffer, Buffer>;
  readonly #ended = Promise.withResolvers<boolean>();
  #hasEnded = false;

  /** @throws StartError when it cannot connect */
  static async open({ to, token }: SendOptions): Promise<GrpcSender> {
    // It tells at once what is wrong there, which the library does not.
    (await Connection.open(to, () => {})).close();
    const grpc = await import("@grpc/grpc-js");
    const client = new grpc.Client(addressText(to.host, to.port), credentialsOf(grpc, to), {
      // Bun allows no address for a name.
      ...(to.tls && { "grpc.ssl_target_name_override": "localhost" }),
    });
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    client.waitForReady(Date.now() + 5000, resolve);
    if (await promise) {
      client.close();
      throw notThere(to, "it does not answer by gRPC");
    }
    const metadata = new grpc.Metadata();
    if (token !== "") metadata.set("authorization", `Bearer ${token}`);
    return new GrpcSender(client, metadata);
  }

  private constructor(client: Grpc.Client, metadata: Grpc.Metadata) {
    this.#client = client;
    this.#stream = client.makeBidiStreamRequest(STREAM, asItIs, asItIs, metadata);
    this.#stream.on("data", (ack: Buffer) => this.#hear(ack));
    this.#stream.on("error", () => {});
    this.#stream.on("status", ({ code, details }: Grpc.StatusObject) => {
      if (code !== 0) say.error(details);
      this.#hasEnded = true;
      this.#ended.resolve(code === 0);
      this.#stream.emit("drain");
    });
  }

  async send(records: readonly SentRecord[]): Promise<boolean> {
    for (const { level, texts } of records) {
      if (this.#hasEnded) return false;
      if (this.#stream.write(longRecord(level, texts))) continue;
      await new Promise<void>((resolve) => this.#stream.once("drain", resolve));
    }
    return !this.#hasEnded;
  }

  finish(): Promise<boolean> {
    this.#stream.end();
    return this.#ended.promise;
  }

  close(): void {
    this.#client.close();
  }

  #hear(ack: Buffer): void {
    try {
      const fields = new Fields(ack);
      while (fields.next()) if (fields.number === 1) this.acknowledged = fields.value;
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error;
    }
  }
}

function credentialsOf(grpc: typeof Grpc, { tls }: Destination): Grpc.ChannelCredentials {
  if (tls === null) return grpc.credentials.createInsecure();
  const bytes = (pem: unknown) => (pem === undefined ? null : Buffer.from(String(pem)));
  const verify = {
    // The name in its certificate is the public one.
    checkServerIdentity: () => undefined,
    rejectUnauthorized: tls.ca !== undefined,
  };
  return grpc.credentials.createSsl(bytes(tls.ca), bytes(tls.key), bytes(tls.cert), verify);
}
