import type { Log } from "../../../../../host/log.ts";
import type { RoomNode } from "../../../../../host/service/room.ts";
import { SILENCE_MS } from "../script.ts";

/** The most lines about nodes at a time: whoever has the password can invent very many. */
const MOST_TOLD = 5;

/** Logs which nodes come to the room, and which go. */
export class Attendance {
  readonly #room: string;
  readonly #log: Log;
  /** The names of those that are there, with their addresses; null before the first look. */
  #there: ReadonlyMap<string, string> | null = null;

  constructor(room: string, log: Log) {
    this.#room = room;
    this.#log = log;
  }

  /** Compares with the last look. @param nodes the others, those that have gone too */
  look(nodes: readonly RoomNode[]): void {
    const before = this.#there;
    const there = nodes.filter(({ goneMs }) => goneMs === null);
    this.#there = new Map(there.map(({ name, address }) => [name, address]));
    if (before === null) return;
    const come = there.filter(({ name, address }) => before.get(name) !== address);
    const gone = nodes.filter(({ name, goneMs }) => goneMs !== null && before.has(name));
    for (const { name, address } of come.slice(0, MOST_TOLD)) {
      this.#log.info(`room ${this.#room}: the node ${name} has come, at ${address}`);
    }
    for (const { name, isLost } of gone.slice(0, MOST_TOLD)) {
      const text = `room ${this.#room}: the node ${name}`;
      if (isLost) this.#log.warning(`${text} is lost: no sign of it for ${SILENCE_MS / 1000} s`);
      else this.#log.info(`${text} has left`);
    }
    const more = (some: readonly unknown[]) => Math.max(0, some.length - MOST_TOLD);
    if (more(come) + more(gone) === 0) return;
    this.#log.info(`room ${this.#room}: ${more(come)} more nodes have come, ${more(gone)} gone`);
  }
}
