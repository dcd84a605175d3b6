import { addressText } from "../../../host/service.ts";
import { messageOf, StartError } from "../../../host/errors.ts";
import { levelText } from "../../../services/collector/levels.ts";
import type { Texts } from "../../../services/collector/doors/capnp/write.ts";
import { Connection, notThere } from "../../client/connection.ts";
import type { RecordSender, SendOptions, SentRecord } from "./sender.ts";

/** OpenTelemetry's JSON over HTTP: one request a batch. */
export class HttpSender implements RecordSender {
  acknowledged = 0;
  readonly #options: SendOptions;

  /** @throws StartError when it cannot connect */
  static async open(options: SendOptions): Promise<HttpSender> {
    (await Connection.open(options.to, () => {})).close();
    return new HttpSender(options);
  }

  private constructor(options: SendOptions) {
    this.#options = options;
  }

  async send(records: readonly SentRecord[]): Promise<boolean> {
    const { to, token } = this.#options;
    const scheme = to.tls === null ? "http" : "https";
    let answer: Response;
    try {
      answer = await fetch(`${scheme}://${addressText(to.host, to.port)}/v1/logs`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(requestOf(records)),
        ...(to.tls && { tls: { ...to.tls, checkServerIdentity: () => undefined } }),
      });
    } catch (error) {
      throw notThere(to, messageOf(error));
    }
    const { message, partialSuccess } = (await answer.json().catch(() => ({}))) as {
      message?: string;
      partialSuccess?: { rejectedLogRecords?: string | number; errorMessage?: string };
    };
    if (!answer.ok) throw new StartError(message ?? `HTTP ${answer.status}`);
    this.acknowledged += records.length - Number(partialSuccess?.rejectedLogRecords ?? 0);
    return true;
  }

  async finish(): Promise<boolean> {
    return true;
  }

  close(): void {}
}

function requestOf(records: readonly SentRecord[]): object {
  const first: Texts = records[0]?.texts ?? {};
  const attribute = (key: string, text = "") => ({ key, value: { stringValue: text } });
  return {
    resourceLogs: [
      {
        resource: {
          attributes: [
            attribute("host.name", first.hostname),
            attribute("process.pid", first.processId),
          ],
        },
        scopeLogs: [
          {
            scope: { name: first.loggerName },
            logRecords: records.map(({ level, texts }) => ({
              timeUnixNano: `${Date.parse(texts.timestamp ?? "")}000000`,
              severityText: levelText(level),
              body: { stringValue: texts.message },
            })),
          },
        ],
      },
    ],
  };
}
