import { LineCutter } from "../../services/collector/file/read/reading.ts";
import { say } from "../terminal/say.ts";

/** Messages that are sent together at most. */
const BATCH = 500;

/** The messages to send, in batches: those given, or else the lines of standard input as they come; `times` each. */
export async function* batchesOf(
  given: readonly string[],
  times: number,
): AsyncGenerator<readonly string[]> {
  if (given.length > 0) yield* repeated(given, times);
  else for await (const lines of inputLines()) yield* repeated(lines, times);
}

function* repeated(messages: readonly string[], times: number): Generator<string[]> {
  let batch: string[] = [];
  for (const message of messages) {
    for (let n = 1; n <= times; n++) {
      batch.push(times === 1 ? message : `${message} ${n}`);
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** The last line needs no newline. */
async function* inputLines(): AsyncGenerator<string[]> {
  if (process.stdin.isTTY) say.log("Type messages, one a line; Ctrl-D ends them.");
  const cutter = new LineCutter();
  for await (const bytes of Bun.stdin.stream()) {
    yield [...cutter.cut(Buffer.from(bytes))].map((line) => line.toString());
  }
  const { rest } = cutter;
  if (rest.length > 0) yield [rest.toString()];
}
