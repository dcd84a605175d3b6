import type { Clock } from "../../../../host/clock.ts";
import { turn } from "../../../../net/tcp/quiet.ts";
import type { Intake } from "../../intake.ts";
import { type Door, type DoorCounts, DoorNumber } from "../door.ts";
import { bytesField, varintField } from "../proto/fields.ts";
import { RETRY_SECONDS, room } from "../waiting.ts";
import { OtlpEntry } from "./entry.ts";
import type { Logs } from "./logs.ts";

/** Bytes that count for a line besides its texts. */
const LINE_BYTES = 100;
/**
 * Bytes of lines that a request may become, for each byte that one may have.
 * What is said once for a resource stands in the line of each of its records:
 * a small request could fill the disk.
 */
const MOST_SPREAD = 16;
/** Records, scopes and values that are gone through before others get their turn. */
const A_TURN = 500;

/** The work of a request, so that others get their turn in between. */
class Work {
  #steps = 0;

  /** @returns true when it is time for the others */
  isDue(steps: number): boolean {
    this.#steps += steps;
    if (this.#steps < A_TURN) return false;
    this.#steps = 0;
    return true;
  }
}

/** What a request has led to, once all that was taken is kept. */
export interface Exported {
  /** Records that were refused. */
  readonly rejected: number;
  /** The reason; "" when none was refused. */
  readonly why: string;
}

/** Takes the logs of OpenTelemetry, whatever form and door they came by. */
export class OtlpLogs {
  readonly #intake: Intake;
  readonly #clock: Clock;
  readonly #counts: DoorCounts;
  readonly #door: number;
  readonly #most: number;
  readonly #mostInAll: number;

  /**
   * @param most bytes that the texts of a record may have
   * @param mostRequest bytes that a request may have
   */
  constructor(
    intake: Intake,
    clock: Clock,
    { name, counts }: Pick<Door, "name" | "counts">,
    { most, mostRequest }: { readonly most: number; readonly mostRequest: number },
  ) {
    this.#intake = intake;
    this.#clock = clock;
    this.#counts = counts;
    this.#door = DoorNumber[name];
    this.#most = most;
    this.#mostInAll = MOST_SPREAD * mostRequest;
  }

  /**
   * Takes the records of a request; resolves when they are kept. A request that
   * is malformed, or for which there is no room, is not taken in part.
   * Rejects with `BadMessage` or `NoRoom`.
   */
  async take(logs: Logs, bytes: number): Promise<Exported> {
    const wall = this.#clock.wall();
    await this.#check(logs);
    await room(this.#intake, this.#clock);
    const { last, ...exported } = await this.#takeAll(logs, wall);
    this.#counts.bytes += bytes;
    if (last !== null) await this.#intake.whenKept(last);
    return exported;
  }

  /** Goes through all records. Rejects with `BadMessage`. */
  async #check(logs: Logs): Promise<void> {
    const work = new Work();
    for (const { records, values } of logs) {
      if (work.isDue(1 + values)) await turn();
      for (const { values } of records) if (work.isDue(1 + values)) await turn();
    }
  }

  async #takeAll(logs: Logs, wall: number): Promise<Exported & { readonly last: number | null }> {
    const writing = new OtlpEntry();
    let last: number | null = null;
    const work = new Work();
    let rejected = 0;
    let why = "";
    let spread = 0;
    for (const scope of logs) {
      if (work.isDue(1 + scope.values)) await turn();
      let hasBegun = false;
      for (const record of scope.records) {
        if (work.isDue(1 + record.values + (hasBegun ? writing.shared : 0))) await turn();
        const isSpent = spread > this.#mostInAll;
        if (!hasBegun && !isSpent) {
          hasBegun = true;
          writing.begin(scope);
          // A scope of few records with much in common costs, too.
          spread += writing.sharedBytes;
        }
        // What was begun goes on: given up here, its first records would come twice.
        if (this.#intake.isFull) await room(this.#intake, this.#clock, Infinity);
        // What is refused for sure is not written first.
        const isWritten = hasBegun && !isSpent && writing.sharedBytes <= this.#most;
        const entry = isWritten ? writing.write(record) : writing.entry;
        const size = isWritten ? entry.size : writing.sharedBytes;
        const isLong = size > this.#most;
        if (isLong || spread + size + LINE_BYTES > this.#mostInAll) {
          // Writing it has cost as much as if it had been taken.
          if (isWritten) spread += size;
          rejected++;
          this.#counts.refused.oversized++;
          why ||= isLong
            ? `a record has ${size} bytes, and may have ${this.#most}`
            : `its lines would have more than ${this.#mostInAll} bytes`;
          continue;
        }
        spread += size + LINE_BYTES;
        // Its sender has not sent it: it counts for no bound.
        writing.arrived(wall);
        last = this.#intake.take(entry, this.#door);
        this.#counts.records++;
      }
    }
    return { last, rejected, why };
  }
}

/** An `ExportLogsServiceResponse`. */
export function protobufResponse({ rejected, why }: Exported): Buffer {
  if (rejected === 0) return Buffer.alloc(0);
  return bytesField(1, Buffer.concat([varintField(1, rejected), bytesField(2, why)]));
}

/** The same in JSON. */
export function jsonResponse({ rejected, why }: Exported): object {
  if (rejected === 0) return {};
  return { partialSuccess: { rejectedLogRecords: String(rejected), errorMessage: why } };
}

/** A `google.rpc.Status`. */
export function protobufStatus(code: number, message: string): Buffer {
  return Buffer.concat([varintField(1, code), bytesField(2, message)]);
}

/** A `google.rpc.Status` that says when to come again, by a `google.rpc.RetryInfo`. */
export function retryStatus(code: number, message: string): Buffer {
  const info = bytesField(1, varintField(1, RETRY_SECONDS));
  const any = Buffer.concat([
    bytesField(1, "type.googleapis.com/google.rpc.RetryInfo"),
    bytesField(2, info),
  ]);
  return Buffer.concat([protobufStatus(code, message), bytesField(3, any)]);
}
