import type { StartError } from "../../host/errors.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import { ANSWER_BYTES, type Remote } from "../client/remote.ts";

export interface ServerEvent {
  readonly event: string;
  /** JSON. */
  readonly data: string;
}

/**
 * The events of a server until its stream ends.
 * @throws StartError when it gives none
 */
export async function* events(
  remote: Remote,
  query: URLSearchParams,
  signal?: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const answer = await remote.ask(`/events?${query}`, signal);
  await remote.refuse(answer);
  const reader = new EventReader(() => remote.noServer());
  for await (const chunk of answer.body ?? []) yield* reader.read(chunk);
}

/** Cuts a stream into its events. It holds one event at most, and of that a line of each kind. */
class EventReader implements LineSink {
  readonly #splitter = new LineSplitter();
  readonly #tooLong: () => StartError;
  #event = "";
  #data = "";
  #whole: ServerEvent[] = [];

  /** @param tooLong the error of a line that is longer than a server's */
  constructor(tooLong: () => StartError) {
    this.#tooLong = tooLong;
  }

  /** The events that end in these bytes. */
  read(bytes: Uint8Array): readonly ServerEvent[] {
    this.#whole = [];
    this.#splitter.feed(
      undefined,
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      ANSWER_BYTES,
      this,
    );
    return this.#whole;
  }

  lines(_from: void, block: Buffer): number {
    const lines = block.toString().split("\n");
    lines.pop();
    for (const line of lines) {
      if (line.startsWith("event: ")) this.#event = line.slice("event: ".length);
      else if (line.startsWith("data: ")) this.#data = line.slice("data: ".length);
      else if (line === "") this.#end();
    }
    return block.length;
  }

  oversize(): void {
    throw this.#tooLong();
  }

  #end(): void {
    const [event, data] = [this.#event, this.#data];
    if (event !== "" && data !== "") this.#whole.push({ event, data });
    this.#event = this.#data = "";
  }
}
