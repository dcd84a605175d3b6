import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEXTS, type TextName } from "../lib/services/collector/entry.ts";
import type { DoorName } from "../lib/services/collector/doors/door.ts";
import { openDoors } from "../lib/services/collector/doors/places.ts";
import { boot, type Overrides, until } from "./kit.ts";

/** The fields of a record that a test sends. */
export type Fields = Partial<Record<TextName, string | Buffer>> & { readonly level?: number };

const WORD = 8;

/** A struct with its texts behind it, in one segment, as Cap'n Proto has it without packing. */
export function struct(data: Buffer, texts: readonly (string | Buffer | null)[]): Buffer {
  const bodies = texts.map((text) => {
    if (text === null) return null;
    const said = typeof text === "string" ? Buffer.from(text) : text;
    const bytes = Buffer.concat([said, Buffer.from([0])]);
    return { length: bytes.length, bytes: Buffer.concat([bytes, pad(bytes.length)]) };
  });
  const pointers = Buffer.alloc(texts.length * WORD);
  let offset = texts.length;
  bodies.forEach((body, place) => {
    if (body === null) return;
    // From the word after the pointer to the text, in words.
    pointers.writeUInt32LE(((offset - place - 1) << 2) | 1, place * WORD);
    pointers.writeUInt32LE((body.length << 3) | 2, place * WORD + 4);
    offset += body.bytes.length / WORD;
  });
  const root = Buffer.alloc(WORD);
  root.writeUInt16LE(data.length / WORD, 4);
  root.writeUInt16LE(texts.length, 6);
  const segment = Buffer.concat([
    root,
    data,
    pointers,
    ...bodies.flatMap((body) => body?.bytes ?? []),
  ]);
  const table = Buffer.alloc(WORD);
  table.writeUInt32LE(segment.length / WORD, 4);
  return Buffer.concat([table, segment]);
}

function pad(length: number): Buffer {
  return Buffer.alloc((WORD - (length % WORD)) % WORD);
}

/** Packs words: each becomes a tag and its bytes that are not zero. */
export function packed(words: Buffer): Buffer {
  const out: number[] = [];
  for (let at = 0; at < words.length; at += WORD) {
    const word = [...words.subarray(at, at + WORD)];
    const tag = word.reduce((bits, byte, bit) => bits | (byte === 0 ? 0 : 1 << bit), 0);
    out.push(tag, ...word.filter((byte) => byte !== 0));
    if (tag === 0 || tag === 0xff) out.push(0);
  }
  return Buffer.from(out);
}

/** The words of a `LoggerMsg`. */
export function loggerMsg({ level = 3, ...texts }: Fields): Buffer {
  const data = Buffer.alloc(WORD);
  data.writeUInt16LE(level);
  const all = TEXTS.map((name) => texts[name] ?? null);
  return struct(data, all);
}

/** The words of a hello. */
export function hello({
  acks = false,
  clientId = "",
  firstSeq = 0n,
}: { acks?: boolean; clientId?: string; firstSeq?: bigint } = {}): Buffer {
  const data = Buffer.alloc(2 * WORD);
  data[0] = acks ? 1 : 0;
  data.writeBigUInt64LE(firstSeq, WORD);
  return struct(data, ["tester", "here", null, null, null, clientId === "" ? null : clientId]);
}

/** Bytes behind their length. */
export function frame(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A record as it is sent. */
export function record(fields: Fields): Buffer {
  return frame(packed(loggerMsg(fields)));
}

/** A sender of logs over TCP. */
export class Sender {
  readonly socket: Socket;
  isClosed = false;
  #heard = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = createConnection(port, "127.0.0.1");
    this.socket.on("data", (bytes: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, bytes]);
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The frames that have come, as far as they are whole. */
  get frames(): Buffer[] {
    const frames: Buffer[] = [];
    for (let at = 0; at + 4 <= this.#heard.length;) {
      const end = at + 4 + this.#heard.readUInt32BE(at);
      if (end > this.#heard.length) break;
      frames.push(this.#heard.subarray(at + 4, end));
      at = end;
    }
    return frames;
  }

  /** The numbers of its records that it was told are kept. */
  get acknowledged(): number[] {
    return this.frames
      .filter(({ length }) => length === 8)
      .map((one) => Number(one.readBigUInt64BE()));
  }

  end(): void {
    this.socket.destroy();
  }
}

/** A collector on free ports, with a folder of its own. */
export async function collecting(own: Overrides = {}, options: Parameters<typeof boot>[2] = {}) {
  const folder = mkdtempSync(join(tmpdir(), "collector-"));
  const path = (own["path"] as string | undefined) ?? join(folder, "_main.log");
  const collector = { path, durability: "always", ...own };
  const server = await boot("collector", { collector }, options);
  /** The port of a door; `udp` is that of syslog's datagrams. */
  const portOf = (name: DoorName | "udp"): number => {
    const names = openDoors(server.config).flatMap((door) =>
      door === "syslog" ? ["syslog", "udp"] : [door],
    );
    return server.running().addresses[names.indexOf(name)]?.port as number;
  };
  const lines = (file = path) => {
    const text = readFileSync(file, "utf8");
    return text === "" ? [] : text.slice(0, -1).split("\n");
  };
  return {
    ...server,
    folder,
    path,
    portOf,
    lines,
    /** Waits until the file has so many lines. */
    async wrote(count: number, file = path): Promise<string[]> {
      await until(() => lines(file).length >= count);
      return lines(file);
    },
    sender: () => new Sender(server.port()),
  };
}

/** A collector whose disk is full from the start, so that the first record fills its queue. */
export async function blocked(own: Overrides = {}) {
  const folder = mkdtempSync(join(tmpdir(), "collector-"));
  const path = join(folder, "_main.log");
  symlinkSync("/dev/full", path);
  // Without durability no sync is waited for: the clock alone says when it writes again.
  const durability = "none";
  const server = await collecting({ path, buffer_size: 1, max_retries: 0, durability, ...own });
  return {
    ...server,
    /** From now on the disk takes everything; resolves when what waited is written. */
    async relieve(): Promise<void> {
      rmSync(path);
      writeFileSync(path, "");
      // The next look finds another file, and the next attempt writes to it: two seconds in all.
      await until(() => {
        server.clock.advance(100);
        return server.stats()["blocked"] === 0;
      });
    },
  };
}

/** The message of a line of columns of the usual widths. */
export function messageOf(line: string): string {
  const start = line.indexOf(" ") + 1;
  return line.slice(start + 33 + 1 + 12 + 1 + 15 + 1 + 8 + 1 + 20 + 1 + 25 + 1 + 6 + 1);
}
