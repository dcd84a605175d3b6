import { type Entry, TEXTS } from "../../entry.ts";
import { Malformed, type Message } from "./message.ts";

/** Bytes of a client's name at most. */
const LONGEST_ID = 128;

/** Reads a packed `LoggerMsg` into an entry, whose texts lie in the message's buffer. @throws Malformed */
export function readLoggerMsg(
  message: Message,
  from: Buffer,
  start: number,
  end: number,
  entry: Entry,
): void {
  message.unpack(from, start, end);
  entry.begin(message.bytes);
  if (!message.enterRoot()) return;
  entry.level = message.uint16(0);
  message.findTexts(TEXTS.length, entry.starts, entry.ends);
}

/** The first frame of the newer clients. */
export interface Hello {
  readonly fromName: string;
  readonly fromHost: string;
  /** The client wants to be told how many of its records are kept. */
  readonly acks: boolean;
  /** Its name over connections: with it, what is sent again is written once. Empty for none. */
  readonly clientId: string;
  /** Its own number of the first record of this connection. */
  readonly firstSeq: number;
}

/** True if a first frame is a hello: it is not packed, so it begins with a table of one segment, which packed bytes never do. */
export function isHello(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 8 && bytes.readUInt32LE(start) === 0;
}

/** @throws Malformed */
export function readHello(message: Message, from: Buffer, start: number, end: number): Hello {
  message.copy(from, start, end);
  const isNull = !message.enterRoot();
  const text = (place: number): string => {
    if (isNull) return "";
    message.findText(place);
    return message.bytes.toString("utf8", message.textStart, message.textEnd);
  };
  const hello = {
    fromName: text(0),
    fromHost: text(1),
    acks: !isNull && message.bit(0),
    clientId: text(5),
    firstSeq: isNull ? 0 : Number(message.uint64(8)),
  };
  if (Buffer.byteLength(hello.clientId) > LONGEST_ID) {
    throw new Malformed(`a client's id has more than ${LONGEST_ID} bytes`);
  }
  if (!Number.isSafeInteger(hello.firstSeq)) throw new Malformed("its number is beyond 2^53");
  return hello;
}
