import { oneLine, printable } from "../host/content.ts";
import { onSignals } from "../host/lifecycle.ts";
import { type LineSink, LineSplitter } from "../net/lines.ts";
import { type Command } from "./command.ts";
import { Connection } from "./client/connection.ts";
import { clientFlags, serverOf } from "./client/destination.ts";
import { say } from "./terminal/say.ts";

/** The service that it speaks to. */
const SERVICE = "relay";
/** The longest line in bytes that the settings of a relay allow. */
const LINE_BYTES = 16 * 2 ** 20;

export const listen: Command = {
  name: "listen",
  about: "Print what is sent over the relay, until Ctrl-C.",
  more: [
    "Control characters of what others send are shown as \\x1b. The relay's notices go to standard error.",
  ],
  flags: [
    ...clientFlags(SERVICE),
    { name: "json", about: "Print each envelope as it came, one a line." },
    { name: "count", value: "N", about: "End after so many lines." },
  ],
  examples: [
    ["listen", "Prints ADDRESS: CONTENT for each line that a client sends."],
    ["listen --json --count 1", "Waits for one line and prints it as JSON."],
  ],
  async run(args) {
    const [count = "Infinity"] = args.flags.get("count") ?? [];
    if (count !== "Infinity" && !/^[1-9]\d*$/.test(count)) {
      say.error(`--count: found ${count}; allowed: a whole number from 1`);
      return 2;
    }
    const server = serverOf(args, SERVICE);
    if (server === null) return 2;
    const { promise: ended, resolve: end } = Promise.withResolvers<number>();
    process.stdout.on("error", () => end(0));
    const ignoreSignals = onSignals({ stop: () => end(0), cut: () => process.exit(1) });
    const printer = new Printer(args.flags.has("json"), Number(count), () => end(0));
    const connection = await Connection.open(server.to, (bytes, socket) => {
      if (printer.hear(bytes)) return;
      socket.pause();
      process.stdout.once("drain", () => socket.resume());
    });
    if (process.stdout.isTTY) say.log(`listening to ${connection.address}; Ctrl-C ends it`);
    void connection.closed.then(() => {
      if (!printer.done) say.error(`${connection.address} has closed the connection`);
      end(1);
    });
    const code = await ended;
    printer.done = true;
    connection.close();
    ignoreSignals();
    return code;
  },
};

/** Prints the lines of a relay: those of clients to standard output, its notices to standard error. */
class Printer implements LineSink {
  done = false;
  readonly #json: boolean;
  readonly #onDone: () => void;
  readonly #splitter = new LineSplitter();
  #left: number;
  #text = "";

  /** @param count the lines to print before it is done */
  constructor(json: boolean, count: number, onDone: () => void) {
    this.#json = json;
    this.#left = count;
    this.#onDone = onDone;
  }

  /** @returns false if standard output takes no more until it has drained */
  hear(bytes: Buffer): boolean {
    if (this.done) return true;
    this.#splitter.feed(undefined, bytes, LINE_BYTES, this);
    const text = this.#text;
    this.#text = "";
    return text === "" || process.stdout.write(text);
  }

  lines(_from: void, block: Buffer): number {
    const lines = block.toString().split("\n");
    lines.pop();
    for (const line of lines) {
      if (this.done) break;
      if (line.startsWith("Warning:")) {
        process.stderr.write(`${printable(line)}\n`);
        continue;
      }
      this.#text += `${this.#shown(line)}\n`;
      if (--this.#left > 0) continue;
      this.done = true;
      this.#onDone();
    }
    return block.length;
  }

  oversize(): void {
    say.warn(`a line of more than ${LINE_BYTES} bytes was left out`);
  }

  #shown(line: string): string {
    if (this.#json && !process.stdout.isTTY) return line;
    try {
      const { remote_addr: address, content } = JSON.parse(line);
      if (this.#json) return oneLine(line);
      if (typeof content === "string") return `${printable(`${address}`)}: ${printable(content)}`;
    } catch {}
    return printable(line);
  }
}
