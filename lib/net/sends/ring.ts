import { readFileSync } from "node:fs";
import { messageOf } from "../../host/errors.ts";
import { openRingCalls, type RingCalls } from "../../host/system/libc.ts";
import type { Front } from "../outbox.ts";

/** The most sends of one call. */
export const RING_ENTRIES = 256;

/** The most ranges of one send: for more the kernel has to find memory. */
export const RING_PARTS = 8;

// The numbers of calls and the layout of what is shared with the kernel are the
// same on x64 and arm64: <linux/io_uring.h>.
const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
const GETEVENTS = 1;
const OP_SENDMSG = 9;
const OP_SEND = 26;
const OFFSET_OF_ENTRIES = 0x1000_0000;
const READ_WRITE = 3;
/** MAP_SHARED | MAP_POPULATE */
const SHARED_AT_ONCE = 0x8001;
/** MSG_DONTWAIT | MSG_NOSIGNAL */
const AT_ONCE_WITHOUT_SIGNAL = 0x4040;
/** IORING_FEAT_SINGLE_MMAP and IORING_FEAT_EXT_ARG, which is of 5.11. */
const SINGLE_MMAP = 1;
const EXT_ARG = 1 << 8;
/** 32-bit words of an entry, and of a completion. */
const ENTRY_WORDS = 16;
const COMPLETION_WORDS = 4;
/** And of what a SENDMSG points to, in all 64-bit Linux: `msghdr`, with the place of the vector in it, and `iovec`. */
const MESSAGE_WORDS = 14;
const MESSAGE_VECTOR = 4;
const MESSAGE_COUNT = 6;
const RANGE_WORDS = 4;
const EPERM = 1;
const ENOMEM = 12;
const EMFILE = 24;
const ENOSYS = 38;
const EBADF = 9;
/** The result of an entry that the kernel has not taken: as if the socket were full. */
const NOT_TAKEN = -11;
/** Calls in a row that may do nothing, by a signal or for want of memory, before the ring counts as broken. */
const MOST_IDLE = 100;

/** There is no ring here; the message is the reason. */
export class NoRing extends Error {}

/**
 * A ring of io_uring: many sends in one call of the kernel.
 *
 * It is used like a function: `put` fills entries, `send` returns when the
 * kernel is done with all of them. The sends do not wait (MSG_DONTWAIT), so the
 * kernel carries each out, in order, while it takes the entries, and `send` does
 * not return before it has all completions. So nothing of a call is left when
 * the next bytes are gathered, no JavaScript runs in between, buffers may be
 * used again at once, and there are never more completions than the kernel has
 * room for, which is twice the entries.
 *
 * What is shared with the kernel is read and written plainly: it looks at it and
 * changes it only within our own calls, on this thread.
 *
 * The kernel closes the ring's descriptor for programs that this one starts.
 */
export class Ring {
  /** The result of each entry of the last call: bytes taken, or below 0 an error's number. */
  readonly results = new Int32Array(RING_ENTRIES);
  /** The reason that the ring is used no more; null while it works. */
  broken: string | null = null;
  readonly #calls: RingCalls;
  readonly #fd: number;
  readonly #ring: Uint32Array;
  readonly #entries: Uint32Array;
  readonly #mask: number;
  readonly #head: number;
  readonly #tail: number;
  readonly #doneHead: number;
  readonly #doneTail: number;
  readonly #doneMask: number;
  readonly #done: number;
  /** The ranges of the sends that have several, and where both lie. */
  readonly #messages = new Uint32Array(RING_ENTRIES * MESSAGE_WORDS);
  readonly #ranges = new Uint32Array(RING_ENTRIES * RING_PARTS * RANGE_WORDS);
  readonly #messagesAt: number;
  /** The place of the next entry, as the kernel counts. */
  #next: number;
  /** The buffer of the last entry, and its address. */
  #source: Uint8Array | null = null;
  #address = 0;

  /** @throws NoRing when there is none to be had */
  constructor() {
    if (process.platform !== "linux")
      throw new NoRing(`io_uring is Linux's; this is ${process.platform}`);
    this.#calls = calls();
    const parameters = new Uint32Array(30);
    this.#fd = this.#calls.syscall(
      IO_URING_SETUP,
      RING_ENTRIES,
      this.#calls.ptr(parameters),
      0,
      0,
      0,
      0,
    );
    if (this.#fd < 0) throw new NoRing(refusal(this.#errno()));
    try {
      const word = (index: number) => parameters[index] as number;
      if ((word(5) & SINGLE_MMAP) === 0 || (word(5) & EXT_ARG) === 0) {
        throw new NoRing("the kernel is older than 5.11");
      }
      const [entries, completions] = [word(0), word(1)];
      const array = word(16);
      const size = Math.max(array + entries * 4, word(25) + completions * COMPLETION_WORDS * 4);
      this.#ring = this.#map(0, size);
      this.#entries = this.#map(OFFSET_OF_ENTRIES, entries * ENTRY_WORDS * 4);
      this.#head = word(10) >> 2;
      this.#tail = word(11) >> 2;
      this.#doneHead = word(20) >> 2;
      this.#doneTail = word(21) >> 2;
      this.#done = word(25) >> 2;
      this.#mask = entries - 1;
      this.#doneMask = completions - 1;
      for (let i = 0; i < entries; i++) {
        this.#ring[(array >> 2) + i] = i;
        this.#entries[i * ENTRY_WORDS + 7] = AT_ONCE_WITHOUT_SIGNAL;
      }
      this.#messagesAt = this.#calls.ptr(this.#messages);
      const rangesAt = this.#calls.ptr(this.#ranges);
      for (let i = 0; i < RING_ENTRIES; i++) {
        const at = i * MESSAGE_WORDS + MESSAGE_VECTOR;
        setAddress(this.#messages, at, rangesAt + i * RING_PARTS * RANGE_WORDS * 4);
      }
      this.#next = this.#ring[this.#tail] as number;
      this.#try();
    } catch (error) {
      this.#calls.close(this.#fd);
      throw error;
    }
  }

  /** A send that must fail in the one right way: setting up a ring may be allowed where using it is not. */
  #try(): void {
    this.put(0, -1, new Uint8Array(1), 0, 1);
    this.send(1);
    if (this.broken !== null) throw new NoRing(this.broken);
    if (this.results[0] !== -EBADF) {
      throw new NoRing(`a send that must fail gave ${this.results[0]}`);
    }
  }

  /**
   * Fills an entry of the next call. `bytes` must not change, and the descriptor
   * must be that of the socket it is meant for, until `send` has returned.
   */
  put(index: number, fd: number, bytes: Uint8Array, start: number, length: number): void {
    this.#enter(index, OP_SEND, fd, this.#addressOf(bytes) + start, length);
  }

  /** The same for an entry of `count` ranges, RING_PARTS at most, that leave as one. */
  putParts(index: number, fd: number, parts: readonly Front[], count: number): void {
    const at = index * RING_PARTS * RANGE_WORDS;
    for (let i = 0; i < count; i++) {
      const { bytes, start, length } = parts[i] as Front;
      setAddress(this.#ranges, at + i * RANGE_WORDS, this.#addressOf(bytes) + start);
      this.#ranges[at + i * RANGE_WORDS + 2] = length;
    }
    this.#messages[index * MESSAGE_WORDS + MESSAGE_COUNT] = count;
    this.#enter(index, OP_SENDMSG, fd, this.#messagesAt + index * MESSAGE_WORDS * 4, 1);
  }

  #enter(index: number, operation: number, fd: number, address: number, length: number): void {
    const entries = this.#entries;
    const at = ((this.#next + index) & this.#mask) * ENTRY_WORDS;
    entries[at] = operation;
    entries[at + 1] = fd;
    setAddress(entries, at + 4, address);
    entries[at + 6] = length;
    entries[at + 8] = index;
  }

  #addressOf(bytes: Uint8Array): number {
    if (bytes !== this.#source) {
      this.#source = bytes;
      this.#address = this.#calls.ptr(bytes);
    }
    return this.#address;
  }

  /** Carries out the first `count` entries; then `results` has their outcomes. */
  send(count: number): void {
    const ring = this.#ring;
    this.#source = null;
    this.results.fill(NOT_TAKEN, 0, count);
    if (this.broken !== null) return;
    const end = (this.#next + count) >>> 0;
    ring[this.#tail] = end;
    let left = count;
    for (let idle = 0; left > 0 && idle < MOST_IDLE; idle++) {
      const untaken = (end - (ring[this.#head] as number)) >>> 0;
      this.#calls.syscall(IO_URING_ENTER, this.#fd, untaken, left, GETEVENTS, 0, 0);
      const done = this.#collect();
      left -= done;
      // What the kernel has begun it also ends: only entries that it does not even take are given up.
      if (done > 0 || ring[this.#head] === end) idle = 0;
    }
    this.#next = end;
    if (left > 0) this.#takeBack();
  }

  /** Takes the completions that are there. @returns their number */
  #collect(): number {
    const ring = this.#ring;
    const tail = ring[this.#doneTail] as number;
    const first = ring[this.#doneHead] as number;
    let head = first;
    for (; head !== tail; head = (head + 1) >>> 0) {
      const at = this.#done + (head & this.#doneMask) * COMPLETION_WORDS;
      this.results[ring[at] as number] = ring[at + 2] as number;
    }
    ring[this.#doneHead] = head;
    return (head - first) >>> 0;
  }

  /** The kernel takes no entries any more: those that are left are withdrawn. */
  #takeBack(): void {
    this.broken = `the kernel takes no sends any more (error ${this.#errno()})`;
    this.#next = this.#ring[this.#head] as number;
    this.#ring[this.#tail] = this.#next;
  }

  #map(offset: number, size: number): Uint32Array {
    const at = this.#calls.mmap(null, size, READ_WRITE, SHARED_AT_ONCE, this.#fd, offset);
    // MAP_FAILED is -1.
    if (at === null || at >= 2 ** 63) throw new NoRing(refusal(this.#errno()));
    return new Uint32Array(this.#calls.toArrayBuffer(at, 0, size));
  }

  #errno(): number {
    const at = this.#calls.__errno_location();
    return at === null ? 0 : this.#calls.read.i32(at, 0);
  }
}

/** Writes an address as two halves. */
function setAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address >>> 0;
  words[at + 1] = address / 2 ** 32;
}

function calls(): RingCalls {
  try {
    return openRingCalls();
  } catch (error) {
    throw new NoRing(`the C library cannot be opened: ${messageOf(error)}`);
  }
}

/** The reason for an error of the setup, in the operator's words. */
function refusal(errno: number): string {
  if (errno === ENOSYS) return "the kernel has no io_uring";
  if (errno === ENOMEM) return "too little memory may be locked for io_uring (ulimit -l)";
  if (errno === EMFILE) return "too few files may be open for io_uring (ulimit -n)";
  if (errno !== EPERM) return `the kernel refuses io_uring (error ${errno})`;
  return disabled() ?? "the rules of this container or service (seccomp) forbid io_uring";
}

/** The setting of the kernel that forbids io_uring to some or all programs, if it does; or null. */
export function disabled(): string | null {
  try {
    const value = readFileSync("/proc/sys/kernel/io_uring_disabled", "utf8").trim();
    return value === "0" ? null : `kernel.io_uring_disabled is ${value}`;
  } catch {
    return null;
  }
}
