import { hostname } from "node:os";
import type { Config } from "../../../../config/table.ts";
import { count } from "../../../../host/count.ts";
import { LossError } from "../../../../host/errors.ts";
import type { Room } from "../../../../host/room.ts";
import { addressText, type Health, type Host, type Problem } from "../../../../host/service.ts";
import type { Declared, Distribution } from "../../../../host/stats.ts";
import { DECLARED } from "../../declared.ts";
import { type Greeting, Relay } from "../../relay.ts";
import { Shared } from "../shared.ts";
import { Membership, ROOM_DECLARED } from "./membership.ts";

/** Milliseconds that the good-bye to the room may take. */
const LEAVE_MS = 1000;

/** A relay that shares its room with others by a Redis server. */
export class RoomRelay extends Relay {
  override readonly declared: Declared = { ...DECLARED, ...ROOM_DECLARED };
  readonly distributions: readonly Distribution[];
  readonly room: Room;
  readonly #membership: Membership;

  /** @throws StartError as the relay does, and for the files that the settings of the room name */
  constructor(config: Config, host: Host<Config>, greeting: Greeting | null) {
    let { relay } = config;
    const membership = new Membership(config, host, () => relay.max_line_bytes);
    super(config, host, greeting, new Shared(membership.road, () => relay.total_outbox_bytes));
    host.onReload((next) => {
      relay = next.relay;
    });
    this.#membership = membership;
    this.room = membership;
    this.distributions = membership.distributions;
  }

  /** @throws StartError when the room cannot be joined */
  started(): Promise<void> {
    const [{ host, port }] = this.addresses as [{ host: string; port: number }];
    const isAny = ["0.0.0.0", "::"].includes(host);
    const address = addressText(isAny ? hostname() : host, port);
    return this.#membership.join(
      { address, clients: () => this.stats()["clients"] as number, kick: (id) => this.kick(id) },
      port,
    );
  }

  override stats(): Record<string, number> {
    return { ...super.stats(), ...this.#membership.stats() };
  }

  override health(): Health {
    const { losses } = this.#membership;
    return losses === null ? super.health() : { ok: false, reason: losses };
  }

  override problems(): readonly Problem[] {
    return [...this.#membership.problems(), ...super.problems()];
  }

  override async drain(deadlineMs: number): Promise<void> {
    await super.drain(deadlineMs);
    const lost = await this.#membership.leave(LEAVE_MS);
    if (lost === 0) return;
    const were = lost === 1 ? "that was accepted has" : "that were accepted have";
    throw new LossError(`relay: ${count(lost, "line")} ${were} not reached the room`);
  }
}
