import { tokenIn } from "../../net/admission/token.ts";
import type { LineForm } from "./columns.ts";
import type { Entry } from "./entry.ts";

/** Hexadecimal digits of a hash at the end of a line: 64 bits. */
export const HASH_LENGTH = 16;
/** The hash before the first line of a log. */
export const FIRST_HASH = "0".repeat(HASH_LENGTH);

const COLUMNS_END = / #([0-9a-f]{16})$/;
const JSON_END = /,"hash":"([0-9a-f]{16})"\}$/;

/** The ends of lines, of columns and of JSON, that hold a hash of so many digits. */
const COLUMNS_BYTES = 2 + HASH_LENGTH;
const JSON_BYTES = 11 + HASH_LENGTH;

/** The hash of a line: over the one before it and its own bytes, with a key or without. */
export function hashOf(key: string, before: string, line: Uint8Array): string {
  const hasher = key === "" ? new Bun.CryptoHasher("sha256") : new Bun.CryptoHasher("sha256", key);
  return hasher.update(before).update(line).digest("hex").slice(0, HASH_LENGTH);
}

/** A line as it is in the file, taken apart. */
export interface HashedLine {
  /** The bytes that its hash is over, besides the hash before it. */
  readonly content: Buffer;
  readonly hash: string;
}

/** Takes a line apart, without its newline; null when it ends in no hash. */
export function hashedLine(line: Buffer): HashedLine | null {
  const end = line.toString("latin1", Math.max(0, line.length - JSON_BYTES));
  const columns = COLUMNS_END.exec(end)?.[1];
  if (columns !== undefined) {
    return { content: line.subarray(0, line.length - COLUMNS_BYTES), hash: columns };
  }
  const json = JSON_END.exec(end)?.[1];
  if (json === undefined) return null;
  return { content: line.subarray(0, line.length - JSON_BYTES), hash: json };
}

/** The hash in the end of the last line of a log, which the next one is over. */
export function headOf(ending: Buffer): string {
  return hashedLine(ending)?.hash ?? FIRST_HASH;
}

/** The key of hashes: the first line of a file; "" when none is named. @throws StartError */
export function hashKeyIn(file: string): string {
  return file === "" ? "" : tokenIn(file, "collector.hash_key_file", "key");
}

/**
 * Lines that each end in a hash over the hash before and themselves: who
 * changes, inserts or deletes a line has to change all that follow.
 */
export class Chained implements LineForm {
  /** The hash of the last line. */
  head: string;
  readonly #form: LineForm;
  readonly #key: string;
  readonly #json: boolean;

  /** @param head the hash of the last line of the log so far */
  constructor(form: LineForm, key: string, head: string, json: boolean) {
    this.#form = form;
    this.#key = key;
    this.head = head;
    this.#json = json;
  }

  most(entry: Entry): number {
    return this.#form.most(entry) + JSON_BYTES;
  }

  write(entry: Entry, sequence: number, out: Buffer, at: number): number {
    // The newline, and the brace of an object, stand behind the hash.
    const end = this.#form.write(entry, sequence, out, at) - (this.#json ? 2 : 1);
    this.head = hashOf(this.#key, this.head, out.subarray(at, end));
    const text = this.#json ? `,"hash":"${this.head}"}\n` : ` #${this.head}\n`;
    return end + out.write(text, end, "latin1");
  }
}
