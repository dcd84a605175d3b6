import { stat, unlink } from "node:fs/promises";
import type { Clock } from "../../../host/clock.ts";
import { oneLine } from "../../../host/content.ts";
import { type FileCounters, RotatingFile } from "../../../host/rotate.ts";
import type { Line, RecordEnd } from "./lines.ts";

/** Bytes that are kept free for the last line. */
const END_BYTES = 100;
/** A write that takes so long will not end. */
const STUCK_MS = 30_000;

export interface RecordingOptions {
  readonly clock: Pick<Clock, "now">;
  /** Bytes that the file may hold. */
  readonly mostBytes: number;
  /** Called when the disk has taken all so far. */
  readonly written: () => void;
  /** Called once, when the disk refuses lines, with the reason; nothing is recorded any more then. */
  readonly failed: (recording: Recording, why: string) => void;
}

/** The file that one session is recorded in. */
export class Recording {
  readonly path: string;
  readonly #counters: FileCounters = { bytes: 0, linesLost: 0, rotations: 0 };
  readonly #file: RotatingFile;
  readonly #options: RecordingOptions;
  #bytes = 0;
  #hasEnded = false;
  #hasFailed = false;
  #isDirty = false;
  /** When the writing that is under way began; null when none is. */
  #writingSince: number | null = null;

  /** @throws StartError when there is such a file, or it cannot be made */
  constructor(path: string, options: RecordingOptions) {
    this.path = path;
    this.#options = options;
    this.#file = new RotatingFile(path, {
      clock: options.clock,
      counters: this.#counters,
      isOwn: true,
      maxFileSize: Infinity,
      backupCount: 0,
      maxWaiting: options.mostBytes,
      onTrouble: () => this.#fail(),
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Bytes that are in the file. */
  get bytes(): number {
    return this.#counters.bytes;
  }

  /** @returns false when it is full, and so ends, or has ended before */
  add(text: string, ms: number): boolean {
    if (this.#hasEnded) return false;
    const line = `${oneLine(text)}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes + END_BYTES > this.#options.mostBytes) {
      this.end(ms, "full");
      return false;
    }
    this.#bytes += bytes;
    this.#write(line);
    return !this.#hasEnded;
  }

  /** Starts writing what waits. */
  flush(): void {
    const now = this.#options.clock.now();
    if (this.#writingSince !== null) {
      if (now - this.#writingSince > STUCK_MS) this.#fail();
    } else if (this.#isDirty) {
      this.#isDirty = false;
      this.#writingSince = now;
      void this.#file.flush().then(() => {
        this.#writingSince = null;
        this.#told();
      });
    }
  }

  /** The last line. */
  end(ms: number, why: RecordEnd): void {
    if (this.#hasEnded) return;
    const line: Line = { kind: "end", ms, why };
    this.#write(`${JSON.stringify(line)}\n`);
    this.#hasEnded = true;
  }

  /** Resolves when all is written and the file is closed. Never rejects. */
  async close(): Promise<void> {
    this.#hasEnded = true;
    await this.#file.close();
    this.#told();
    if (!this.#hasFailed) return;
    const found = await stat(this.path).catch(() => null);
    if (found?.size === 0) await unlink(this.path).catch(() => {});
  }

  #write(line: string): void {
    this.#file.write(line);
    this.#isDirty = true;
  }

  #told(): void {
    if (!this.#hasFailed) this.#options.written();
  }

  /** A line that is missing would make the rest a lie. */
  #fail(): void {
    if (this.#hasFailed) return;
    this.#hasFailed = this.#hasEnded = true;
    this.#options.failed(this, this.#file.failing ?? "the disk takes nothing");
  }
}
