import { levelText } from "../../../services/collector/levels.ts";
import { Connection } from "../../client/connection.ts";
import type { RecordSender, SendOptions, SentRecord } from "./sender.ts";

/** Turns a record into the bytes of one message. */
export type WriteText = (record: SentRecord) => string;

/** A door that is sent text over TCP and answers nothing: all is read once it has ended its side too. */
export class TextSender implements RecordSender {
  readonly acknowledged = null;
  readonly #connection: Connection;
  readonly #write: WriteText;

  /** @throws StartError when it cannot connect */
  static async open({ to }: SendOptions, write: WriteText): Promise<TextSender> {
    return new TextSender(await Connection.open(to, () => {}), write);
  }

  private constructor(connection: Connection, write: WriteText) {
    this.#connection = connection;
    this.#write = write;
  }

  send(records: readonly SentRecord[]): Promise<boolean> {
    return this.#connection.write(Buffer.from(records.map(this.#write).join("")));
  }

  async finish(): Promise<boolean> {
    this.#connection.finish();
    return !(await this.#connection.closed);
  }

  close(): void {
    this.#connection.close();
  }
}

/** A line of JSON. */
export const jsonLine: WriteText = ({ level, texts }) =>
  `${JSON.stringify({
    time: texts.timestamp,
    level: levelText(level).toLowerCase(),
    hostname: texts.hostname,
    name: texts.loggerName,
    pid: texts.processId,
    msg: texts.message,
  })}\n`;

/** The severities of syslog by our levels: debug, debug, debug, informational (five times), notice, warning, error, critical. */
const SEVERITIES = [7, 7, 7, 6, 6, 6, 6, 6, 5, 4, 3, 2];
/** The facility `user`. */
const USER = 1;

/** A message of syslog (RFC 5424), behind its length (RFC 6587). */
export const syslogMessage: WriteText = ({ level, texts }) => {
  const { timestamp = "-", hostname, loggerName, processId, message = "" } = texts;
  const word = (text = "", most: number) => text.replace(/[^!-~]/g, "_").slice(0, most) || "-";
  const head = `<${USER * 8 + (SEVERITIES[level] ?? 6)}>1 ${timestamp} ${word(hostname, 255)}`;
  const line = `${head} ${word(loggerName, 48)} ${word(processId, 128)} - - ${message}`;
  return `${Buffer.byteLength(line)} ${line}`;
};
