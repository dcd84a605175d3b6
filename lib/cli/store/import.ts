import { systemClock } from "../../host/clock.ts";
import { count } from "../../host/count.ts";
import { messageOf, StartError } from "../../host/errors.ts";
import { alteredNumbers, doubt } from "../../services/store/commands/numbers.ts";
import type { StoreConnection } from "../kv/connection.ts";
import { say } from "../terminal/say.ts";
import { number, text } from "../client/shape.ts";
import type { Subcommand } from "../subcommand.ts";
import { STANDARD } from "./export.ts";
import { connect } from "./source.ts";

/** Most keys that are set at once, and most characters of them besides a longer one alone. */
const KEYS = 1000;
const CHARACTERS = 128 * 1024;

const FIELDS = ["key", "value", "version", "expires_at"];

export const importKeys: Subcommand = {
  name: "import",
  about:
    "import FILE: set the keys of lines as export writes them in the running server; - is standard input. version and expires_at may be missing; a key that has expired is left out. A value gets its version, or the next one of its key if that is higher: for that it takes the token that may do everything.",
  takesFile: true,
  flags: [],
  examples: [["import keys.jsonl", "Sets what export has written."]],
  async run({ args, file }) {
    let connection: StoreConnection | null = null;
    try {
      connection = await connect(args);
      if (connection === null) return 2;
      const importing = new Import(connection);
      for await (const line of linesOf(file)) {
        await importing.take(line);
      }
      await importing.flush();
      const { done, expired } = importing;
      const out = expired === 0 ? "" : `, ${count(expired, "key")} had expired`;
      process.stdout.write(`${count(done, "key")} imported${out}\n`);
      return 0;
    } catch (error) {
      say.error(messageOf(error));
      return 1;
    } finally {
      connection?.close();
    }
  },
};

/** Lines end with a newline alone: others that Unicode knows may stand in a text. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const bytes = file === STANDARD ? Bun.stdin.stream() : Bun.file(file).stream();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = "";
  for await (const piece of bytes) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() as string;
    yield* lines;
  }
  yield rest + decoder.decode();
}

/** Sets keys, group by group. */
class Import {
  done = 0;
  expired = 0;
  readonly #connection: StoreConnection;
  #line = 0;
  /** The line of the last key of the group. */
  #last = 0;
  #characters = 0;
  readonly #writes = new Map<string, object>();

  constructor(connection: StoreConnection) {
    this.#connection = connection;
  }

  /** @throws StartError with the number of the line when it cannot be imported */
  async take(line: string): Promise<void> {
    this.#line++;
    if (line.trim() === "") return;
    const { key, value, version, expires_at: end } = entryIn(line, this.#line);
    const isFull = this.#writes.size >= KEYS || this.#characters + line.length > CHARACTERS;
    // No key may stand in a group twice, in whatever form.
    const name = key.startsWith("^") ? key.slice(1) : key;
    if (isFull || this.#writes.has(name)) await this.flush();
    const left = end === undefined ? undefined : Math.ceil(end - systemClock.wall());
    if (left !== undefined && left <= 0) {
      this.expired++;
      return;
    }
    this.#last = this.#line;
    this.#characters += line.length;
    this.#writes.set(name, {
      action: "SET",
      key,
      value,
      ...(left !== undefined && { ttl_ms: left }),
      ...(version !== undefined && { min_version: version }),
    });
  }

  async flush(): Promise<void> {
    if (this.#writes.size === 0) return;
    try {
      await this.#connection.ask({ action: "TXN", writes: [...this.#writes.values()] });
    } catch (error) {
      throw new StartError(
        `up to line ${this.#last}: ${messageOf(error)}; ${count(this.done, "key")} were imported before`,
      );
    }
    this.done += this.#writes.size;
    this.#writes.clear();
    this.#characters = 0;
  }
}

interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly version?: number;
  readonly expires_at?: number;
}

/** @throws StartError */
function entryIn(line: string, at: number): Entry {
  const wrong = (why: string) => new StartError(`line ${at}: ${why}`);
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    throw wrong("it is not JSON");
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    throw wrong("it is not an object");
  }
  const { key, value, version, expires_at: end } = found as Record<string, unknown>;
  const other = Object.keys(found).find((name) => !FIELDS.includes(name));
  if (other !== undefined) throw wrong(`${other}; allowed: ${FIELDS.join(", ")}`);
  if (!text(key)) throw wrong("key; allowed: text");
  if (value === undefined) throw wrong("value is missing");
  if (version !== undefined && !number(version)) throw wrong("version; allowed: a whole number");
  if (end !== undefined && !number(end)) {
    throw wrong("expires_at; allowed: milliseconds since 1970");
  }
  if (doubt(value) !== null && alteredNumbers(Buffer.from(line), 0) !== null) {
    throw wrong("it holds a number that would not come back as it was");
  }
  return {
    key,
    value,
    ...(version !== undefined && { version }),
    ...(end !== undefined && { expires_at: end }),
  };
}
