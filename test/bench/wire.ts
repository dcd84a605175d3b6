/**
 * The protocol of each server. Sizes must be exact: the generator proves by
 * counting bytes alone that nothing was lost or doubled.
 */
export interface Wire {
  /** The first bytes of a connection, to listen or only to publish; may be empty. */
  greeting(listens: boolean): string;
  /** True if `text`, all that the server sent so far, ends the greeting. */
  greeted(text: string): boolean;
  /** The answer to `text` during the greeting; called again whenever more text came. */
  answer(text: string): string | null;
  /** One message, as a publisher sends it. */
  publish(payload: string): string;
  /** The same message, as every listener receives it from the publisher on `port`. */
  delivered(payload: string, port: number): string;
  /** True if a client that publishes and listens receives its own messages. */
  echoes: boolean;
  /** Bytes the publisher gets back for one message that went to `listeners`. */
  replyBytes(listeners: number): number;
}

const envelope = (payload: string, port: number): string =>
  `{"remote_addr":"127.0.0.1:${port}","content":${JSON.stringify(payload)}}\n`;

const relay: Wire = {
  greeting: () => "",
  greeted: () => true,
  answer: () => null,
  publish: (payload) => `${payload}\n`,
  delivered: envelope,
  echoes: false,
  replyBytes: () => 0,
};

/** RESP3, because there a subscribed connection may publish as well. */
const redis: Wire = {
  greeting: (listens) => (listens ? "HELLO 3\r\nSUBSCRIBE room\r\n" : ""),
  greeted: (text) => text.includes("subscribe\r\n$4\r\nroom\r\n:1\r\n"),
  answer: () => null,
  publish: (payload) => `*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n$${payload.length}\r\n${payload}\r\n`,
  delivered: (payload) =>
    `>3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$${payload.length}\r\n${payload}\r\n`,
  echoes: true,
  replyBytes: (listeners) => `:${listeners}\r\n`.length,
};

const nats: Wire = {
  greeting: (listens) =>
    `CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n${listens ? "SUB room 1\r\n" : ""}PING\r\n`,
  // The server pings each client once, two seconds after its birth, to time it.
  // Waiting for that keeps the stray bytes out of the measured rounds.
  greeted: (text) => text.includes("PONG\r\n") && text.includes("PING\r\n"),
  answer: (text) => (text.includes("PING\r\n") ? "PONG\r\n" : null),
  publish: (payload) => `PUB room ${payload.length}\r\n${payload}\r\n`,
  delivered: (payload) => `MSG room 1 ${payload.length}\r\n${payload}\r\n`,
  echoes: false,
  replyBytes: () => 0,
};

/** The floor copies bytes, so its publisher sends what the relay would deliver. */
const FLOOR_PORT = 40_000;
const floor: Wire = {
  ...relay,
  publish: (payload) => envelope(payload, FLOOR_PORT),
  delivered: (payload) => envelope(payload, FLOOR_PORT),
};

export const wires = { relay, redis, nats, floor };
export type WireName = keyof typeof wires;

/** Text that stands before the time stamp in a payload, and nowhere else. */
export const STAMP_MARK = "@";
/** Digits of the time stamp that follows the mark, in microseconds. */
export const STAMP_DIGITS = 16;

/** The time now as it stands in payloads: whole microseconds of this process. */
export const stampNow = (): number => Math.round(performance.now() * 1000);

/**
 * A message text of exactly `bytes` ASCII bytes (at least 20) that carries a
 * time stamp. `json` makes it a typed envelope with quotes, as agents send it.
 */
export function payload(bytes: number, stamp: number, json: boolean): string {
  const time = STAMP_MARK + String(stamp).padStart(STAMP_DIGITS, "0");
  if (!json) return time.padEnd(bytes, "x");
  const head = `{"_version":"1.0.1","_payload":{"at":"${time}","text":"`;
  const tail = `"},"_type":"object"}`;
  return head + "x".repeat(Math.max(0, bytes - head.length - tail.length)) + tail;
}
