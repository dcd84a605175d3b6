/** Bytes of a buffer for the answers of a turn; clients are owed ranges of it. */
const ROOM = 256 * 1024;
/** With fewer free bytes than this, a new buffer is begun. */
const LITTLE = 32 * 1024;

/** Bytes of the answers that clients are owed in this turn. */
export class Answers {
  bytes = Buffer.allocUnsafeSlow(ROOM);
  used = 0;
  /** The place of the text that was added last. */
  added = 0;

  /** Makes some room; ranges of a full buffer stay as they are. */
  makeRoom(): void {
    if (this.used + LITTLE <= this.bytes.length) return;
    this.bytes = Buffer.allocUnsafeSlow(ROOM);
    this.used = 0;
  }

  /** Appends text. @returns false when it is too long: nothing was appended */
  add(text: string): boolean {
    this.makeRoom();
    if (text.length * 3 > this.bytes.length - this.used) return false;
    this.added = this.used;
    this.used += this.bytes.write(text, this.used, "utf8");
    return true;
  }
}
