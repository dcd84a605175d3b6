import { type LineSink, LineSplitter } from "../net/lines.ts";
import { printable } from "../host/content.ts";
import { systemClock } from "../host/clock.ts";
import { NOTICES } from "../services/relay/envelope.ts";
import { type Arguments, type Command } from "./command.ts";
import { Connection } from "./client/connection.ts";
import { clientFlags, serverOf } from "./client/destination.ts";
import { say } from "./terminal/say.ts";

/** The service that it speaks to. */
const SERVICE = "relay";
const TIMEOUT_SECONDS = 5;
/** The longest notice in bytes; longer lines are those of other clients. */
const NOTICE_BYTES = 4096;

export const send: Command = {
  name: "send",
  about: "Send lines to the relay: the texts given, or else what standard input holds.",
  more: [
    "It ends when the relay has read everything: with exit code 0, or with 1 when a line was refused, which the relay's notices on standard error tell of.",
  ],
  operands: [
    {
      name: "TEXT",
      optional: true,
      repeats: true,
      about: "A line to send; without any, the lines of standard input are sent as they come.",
    },
  ],
  flags: [
    ...clientFlags(SERVICE),
    {
      name: "timeout",
      value: "SECONDS",
      about: `How long the relay may take to read what has been sent; default ${TIMEOUT_SECONDS}.`,
    },
  ],
  examples: [
    ["send '{\"hi\": 1}' bye", "Sends two lines."],
    ["send --port 9000 < lines.txt", "Sends a file's lines to another port."],
    ["send -- -1", "Sends a line that looks like an option."],
  ],
  async run(args) {
    const seconds = timeoutOf(args);
    const broken = args.operands.some((text) => text.includes("\n"));
    if (broken) say.error("TEXT: holds a newline, which no line can");
    if (seconds === null || broken) return 2;
    const server = serverOf(args, SERVICE);
    if (server === null) return 2;
    const notices = new Notices();
    const connection = await Connection.open(server.to, (bytes) => notices.hear(bytes));
    const well = await deliver(connection, args.operands, seconds);
    connection.close();
    return well && !notices.refused ? 0 : 1;
  },
};

function timeoutOf({ flags }: Arguments): number | null {
  const [given = `${TIMEOUT_SECONDS}`] = flags.get("timeout") ?? [];
  const seconds = Number(given);
  if (seconds > 0) return seconds;
  say.error(`--timeout: found ${given}; allowed: a number of seconds above 0`);
  return null;
}

/** Sends everything and waits for the relay to read it. @returns true if it did; if not, that has been told */
async function deliver(
  connection: Connection,
  texts: readonly string[],
  seconds: number,
): Promise<boolean> {
  const { address } = connection;
  if (texts.length === 0 && process.stdin.isTTY) say.log("Type lines; Ctrl-D ends them.");
  const sent =
    texts.length > 0
      ? await connection.write(Buffer.from(texts.map((text) => `${text}\n`).join("")))
      : await pour(Bun.stdin.stream(), connection);
  if (sent) connection.finish();
  const late = Promise.withResolvers<"late">();
  const cancel = systemClock.after(seconds * 1000, () => late.resolve("late"));
  const ended = await Promise.race([connection.closed, late.promise]);
  cancel();
  if (sent && ended === false) return true;
  say.error(
    ended === "late"
      ? `${address} has not read everything within ${seconds} s; --timeout gives it longer`
      : `${address} closed the connection before it had read everything`,
  );
  return false;
}

/** Sends a stream as fast as the relay takes it; the last line needs no newline. @returns true if all of it was taken */
async function pour(input: ReadableStream<Uint8Array>, connection: Connection): Promise<boolean> {
  const reader = input.getReader();
  // Without this, the relay's close would be noticed only after the next line of input.
  let over = false;
  void connection.closed.then(() => {
    over = true;
    void reader.cancel();
  });
  for (;;) {
    const { done, value } = await reader.read();
    if (over) return false;
    if (done) break;
    if (!(await connection.write(value))) return false;
  }
  return connection.betweenLines || connection.write(Buffer.from("\n"));
}

/** Prints the relay's notices and ignores the lines of other clients. */
class Notices implements LineSink {
  refused = false;
  readonly #splitter = new LineSplitter();

  hear(bytes: Buffer): void {
    this.#splitter.feed(undefined, bytes, NOTICE_BYTES, this);
  }

  lines(_from: void, block: Buffer): number {
    for (const line of block.toString().split("\n")) {
      if (!line.startsWith("Warning:")) continue;
      process.stderr.write(`${printable(line)}\n`);
      // The plain backend says good-bye to every client that leaves.
      if (`${line}\n` !== NOTICES.disconnected) this.refused = true;
    }
    return block.length;
  }

  oversize(): void {}
}
