import { printable } from "../../host/content.ts";
import { StartError } from "../../host/errors.ts";
import { systemClock } from "../../host/clock.ts";
import { addressText } from "../../host/service.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import { NOTICES } from "../../services/relay/envelope.ts";
import { Connection, inTime, notThere } from "./connection.ts";
import type { Destination } from "./destination.ts";
import { StoreConnection } from "../kv/connection.ts";

/** Asks a service as a client would. @throws StartError of one line when it is not there, or accepts nobody */
type Probe = (to: Destination) => Promise<void>;

/** Probes for services with a protocol of their own; for others it is enough that they accept a connection. */
const PROBES: Readonly<Record<string, Probe>> = { relay, store };

export async function probe(to: Destination): Promise<void> {
  const { [to.service]: asked = connected } = PROBES;
  await asked(to);
}

async function connected(to: Destination): Promise<void> {
  (await Connection.open(to, () => {})).close();
}

/** Sends a line that a relay refuses: no other client gets it, and the notice shows that this is a relay. */
async function relay(to: Destination): Promise<void> {
  const first = new FirstNotice(() => notThere(to, "it does not answer as one"));
  const connection = await Connection.open(to, (bytes) => first.hear(bytes));
  void connection.closed.then(() => first.fail(notThere(to, "it closes the connection")));
  try {
    await connection.write(Buffer.from([0xff, 0x0a]));
    const notice = await inTime(first.heard, to, systemClock);
    if (`${notice}\n` === NOTICES.utf8) return;
    throw new StartError(
      `the relay on ${addressText(to.host, to.port)} says: ${printable(notice)}`,
    );
  } finally {
    connection.close();
  }
}

async function store(to: Destination): Promise<void> {
  (await StoreConnection.open(to, null)).close();
}

/** The first notice of a relay. */
class FirstNotice implements LineSink {
  readonly #splitter = new LineSplitter();
  readonly #heard = Promise.withResolvers<string>();
  readonly heard = this.#heard.promise;
  readonly fail = this.#heard.reject;
  readonly #noRelay: () => StartError;

  constructor(noRelay: () => StartError) {
    this.#noRelay = noRelay;
    this.heard.catch(() => {});
  }

  hear(bytes: Buffer): void {
    this.#splitter.feed(undefined, bytes, 4096, this);
  }

  lines(_from: void, block: Buffer): number {
    for (const line of block.toString().split("\n")) {
      if (line.startsWith("Warning:")) this.#heard.resolve(line);
      // The lines of a relay's clients come in envelopes; any other JSON object shows another service.
      else if (/^\{(?!"remote_addr":)/.test(line)) this.fail(this.#noRelay());
    }
    return block.length;
  }

  oversize(): void {}
}
