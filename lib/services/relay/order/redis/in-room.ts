import { hostname } from "node:os";
import type { Config } from "../../../../config/table.ts";
import { count } from "../../../../host/count.ts";
import { LossError } from "../../../../host/errors.ts";
import {
  addressText,
  type ClientQuery,
  type Health,
  type Host,
  type Problem,
  type Running,
} from "../../../../host/service.ts";
import type { Declared, Distribution } from "../../../../host/stats.ts";
import type { Road } from "../batch.ts";
import { Membership, ROOM_DECLARED } from "./membership.ts";

/** Milliseconds that the good-bye to the room may take. */
const LEAVE_MS = 1000;

/** A relay, of one thread or several, that is a node of a room on a Redis server. */
export class InRoom implements Running {
  readonly room: Membership;
  readonly declared: Declared;
  readonly distributions: readonly Distribution[];
  readonly #relay: Running;

  /**
   * Starts a relay, which then is closed until it has joined its room.
   * @param start starts it at the end of this road @throws StartError
   */
  static async start(
    config: Config,
    host: Host<Config>,
    start: (road: Road) => Running | Promise<Running>,
  ): Promise<InRoom> {
    let mostLine = config.relay.max_line_bytes;
    const room = new Membership(config, host, () => mostLine);
    const relay = await start(room.road);
    host.onReload((next) => {
      mostLine = next.relay.max_line_bytes;
    });
    return new InRoom(relay, room);
  }

  private constructor(relay: Running, room: Membership) {
    this.#relay = relay;
    this.room = room;
    this.declared = { ...relay.declared, ...ROOM_DECLARED };
    this.distributions = [...(relay.distributions ?? []), ...room.distributions];
  }

  /** @throws StartError when the room cannot be joined */
  async started(): Promise<void> {
    await this.#relay.started?.();
    const [{ host, port }] = this.addresses as [{ host: string; port: number }];
    const isAny = ["0.0.0.0", "::"].includes(host);
    const clients = () => this.#relay.stats()["clients"] as number;
    const address = addressText(isAny ? hostname() : host, port);
    await this.room.join({ address, clients, kick: (id) => this.kick(id) }, port);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#relay.stats(), ...this.room.stats() };
  }

  /** While the room's server is away, the relay is not ready, but well: a restart would win nothing. After a loss it is ready, but damaged. */
  health(): Health {
    const { losses } = this.room;
    const health = this.#relay.health();
    return losses === null || !health.ok ? health : { ok: false, reason: losses, serves: true };
  }

  problems(): readonly Problem[] {
    return [...this.room.problems(), ...(this.#relay.problems?.() ?? [])];
  }

  /** @throws LossError when lines that were accepted may not have reached the room */
  async drain(deadlineMs: number): Promise<void> {
    await this.#relay.drain(deadlineMs);
    const lost = await this.room.leave(LEAVE_MS);
    if (lost === 0) return;
    const of = lost === 1 ? "was accepted is" : "were accepted are";
    throw new LossError(
      `relay: ${count(lost, "line")} that ${of} not known to have reached the room, and what came after that was not read`,
    );
  }

  // --- what the relay does alone

  get addresses() {
    return this.#relay.addresses;
  }

  get quarantine() {
    return this.#relay.quarantine;
  }

  get panel() {
    return this.#relay.panel;
  }

  clients(query: ClientQuery) {
    return this.#relay.clients(query);
  }

  client(id: number) {
    return this.#relay.client?.(id) ?? null;
  }

  kick(id: number) {
    return this.#relay.kick(id);
  }

  tables() {
    return this.#relay.tables?.() ?? [];
  }
}
