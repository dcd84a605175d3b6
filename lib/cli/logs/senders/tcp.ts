import { hostname } from "node:os";
import { systemClock } from "../../../host/clock.ts";
import { framed, FrameSplitter } from "../../../net/frames.ts";
import { helloWithAcks, packedRecord } from "../../../services/collector/doors/capnp/write.ts";
import { Connection } from "../../client/connection.ts";
import type { RecordSender, SendOptions, SentRecord } from "./sender.ts";

/** Bytes of an acknowledgement. */
const ACK_BYTES = 8;

/** Cap'n Proto over TCP. */
export class TcpSender implements RecordSender {
  acknowledged = 0;
  #connection!: Connection;
  #sent = 0;
  #isOver = false;
  readonly #done = Promise.withResolvers<boolean>();

  /** @throws StartError when it cannot connect */
  static async open({ to }: SendOptions): Promise<TcpSender> {
    const sender = new TcpSender();
    const splitter = new FrameSplitter();
    const hear = (bytes: Buffer) => void splitter.feed({ reading: true }, bytes, ACK_BYTES, sender);
    // An empty frame keeps the connection up.
    sender.#connection = await Connection.open(to, hear, systemClock, Buffer.alloc(4));
    void sender.#connection.closed.then(() => sender.#done.resolve(false));
    await sender.#connection.write(framed(helloWithAcks("logs send", hostname())));
    return sender;
  }

  send(records: readonly SentRecord[]): Promise<boolean> {
    this.#sent += records.length;
    const frames = records.map(({ level, texts }) => framed(packedRecord(level, texts)));
    return this.#connection.write(Buffer.concat(frames));
  }

  finish(): Promise<boolean> {
    this.#isOver = true;
    this.#look();
    return this.#done.promise;
  }

  close(): void {
    this.#connection.close();
  }

  /** An acknowledgement: how many records are kept. */
  frame(_from: unknown, bytes: Buffer, start: number, end: number): void {
    if (end - start !== ACK_BYTES) return;
    this.acknowledged = Number(bytes.readBigUInt64BE(start));
    this.#look();
  }

  oversize(): void {}

  #look(): void {
    if (this.#isOver && this.acknowledged === this.#sent) this.#done.resolve(true);
  }
}
