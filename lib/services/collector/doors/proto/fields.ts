/**
 * Messages of Protocol Buffers, read field by field and in place
 * (protobuf.dev/programming-guides/encoding). Fields that are not known are skipped.
 */

/** The reason why bytes are no message. */
export class BadMessage extends Error {}

/** The reason why bytes are no message: there are too many. */
export class TooLong extends BadMessage {}

/** The kinds of values on the wire. */
export const Wire = { varint: 0, eight: 1, bytes: 2, four: 5 } as const;

/** Reads the fields of one message after the other. */
export class Fields {
  readonly bytes: Buffer;
  /** The field that was read last: its number and kind. */
  number = 0;
  kind = 0;
  /** Its value, if it is a varint: as far as a double has room, the low 53 bits. */
  value = 0;
  /** Its bytes: a text, a message, or those of a number. */
  start = 0;
  end = 0;
  readonly #from: number;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.#from = this.#at = start;
    this.#end = end;
  }

  /** The same message, from its beginning. */
  get again(): Fields {
    return new Fields(this.bytes, this.#from, this.#end);
  }

  /** Reads the next field. @returns false at the end of the message @throws BadMessage */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.number = Math.floor(tag / 8);
    this.kind = tag % 8;
    if (this.number === 0) throw new BadMessage("a field has the number 0");
    if (this.kind === Wire.varint) {
      this.start = this.#at;
      this.value = this.#varint();
      this.end = this.#at;
      return true;
    }
    const length = this.#length();
    if (length > this.#end - this.#at) throw new BadMessage("a field is cut short");
    this.start = this.#at;
    this.end = this.#at += length;
    return true;
  }

  /** The bytes of the field as text; bytes that are not UTF-8 become U+FFFD. */
  get text(): string {
    return this.bytes.toString("utf8", this.start, this.end);
  }

  /** The value of a varint with its sign, of 64 bits. */
  get int64(): bigint {
    // Seven bits a byte: what fits into seven bytes is positive, and exact as it is.
    if (this.end - this.start <= 7) return BigInt(this.value);
    let value = 0n;
    for (let at = this.end - 1; at >= this.start; at--) {
      value = (value << 7n) | BigInt((this.bytes[at] as number) & 0x7f);
    }
    return BigInt.asIntN(64, value);
  }

  /** The message that the field is. */
  get message(): Fields {
    return new Fields(this.bytes, this.start, this.end);
  }

  #length(): number {
    if (this.kind === Wire.bytes) return this.#varint();
    if (this.kind === Wire.eight) return 8;
    if (this.kind === Wire.four) return 4;
    throw new BadMessage(`a field is of the kind ${this.kind}`);
  }

  #varint(): number {
    let value = 0;
    let unit = 1;
    for (let length = 0; length < 10; length++) {
      if (this.#at >= this.#end) throw new BadMessage("a number is cut short");
      const byte = this.bytes[this.#at++] as number;
      // A negative number has ten bytes; what is beyond 53 bits is of no use here.
      if (unit < 2 ** 49) value += (byte & 0x7f) * unit;
      unit *= 128;
      if (byte < 0x80) return value;
    }
    throw new BadMessage("a number has more than ten bytes");
  }
}

/** A varint as it is sent. @param value a whole number from 0 to 2^53 - 1 */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A field whose value is a whole number. */
export function varintField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8 + Wire.varint), varint(value)]);
}

/** A field whose value is a text, or a message. */
export function bytesField(number: number, value: string | Buffer): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + Wire.bytes), varint(bytes.length), bytes]);
}
