import type { Config } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import type { LogLines } from "../../host/log.ts";
import type { Barred, Quarantined } from "../../host/service.ts";
import type { Refused } from "../../net/admission.ts";
import { CLOSE_REASONS } from "../../net/client.ts";
import { Quarantine, type Term } from "../../net/admission/quarantine.ts";
import type { RelayClient } from "./client.ts";
import { quarantinedNotice } from "./envelope.ts";
import type { Order, RoomBar } from "./order/order.ts";

/** The addresses that may not come back for a while, and who puts them there: the relay's guards, or an operator. */
export class Bars implements Quarantined {
  readonly #quarantine = new Quarantine();
  readonly #clock: Clock;
  readonly #log: LogLines;
  readonly #config: () => Config;
  readonly #order: Pick<Order, "bar" | "lift">;
  readonly #closeAll: (ip: string, notice: string) => void;

  /** @param order told of all that happens here @param closeAll closes the clients of an address, with a notice */
  constructor(
    clock: Clock,
    log: LogLines,
    config: () => Config,
    order: Pick<Order, "bar" | "lift">,
    closeAll: (ip: string, notice: string) => void,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#config = config;
    this.#order = order;
    this.#closeAll = closeAll;
  }

  get size(): number {
    return this.#quarantine.size;
  }

  entries(): Iterable<Barred> {
    return this.#quarantine.entries(this.#clock.now());
  }

  /** The quarantines in force, for an engine that joins the room. */
  *inForce(): Generator<RoomBar> {
    for (const { key, leftMs: ms, why } of this.entries()) yield { key, ms, why, closes: false };
  }

  /** The refusal for a connection from an address that is barred, or null. */
  refusal(ip: string, port: number): Refused | null {
    const by = this.#config().relay.quarantine_by;
    const left = this.#quarantine.left(ip, port, by, this.#clock.now());
    if (left === 0) return null;
    return { reason: "quarantined", notice: quarantinedNotice(left) };
  }

  /** Bars an address for an operator and closes its clients. */
  impose(ip: string, seconds: number): string {
    const bar = { key: ip, ms: seconds * 1000, why: "an operator put it there", closes: true };
    this.barred(bar);
    this.#order.bar(bar);
    return ip;
  }

  /** Bars a client that has been closed by a guard. */
  imposeOn(client: RelayClient): void {
    const { quarantine_cooldown_secs: seconds } = this.#config().hyper_parameters;
    if (seconds === 0) return;
    const by = this.#config().relay.quarantine_by;
    const [ms, why] = [seconds * 1000, CLOSE_REASONS[client.reason ?? "slow"]];
    const key = this.#quarantine.impose(client.ip, client.port, by, this.#term(ms, why));
    this.#order.bar({ key, ms, why, closes: false });
    this.#log.warning(`${key} is in quarantine for ${seconds} s`);
  }

  lift(key: string): boolean {
    this.#order.lift(key);
    return this.lifted(key);
  }

  /** Bars an address or a port of it, here alone. */
  barred({ key, ms, why, closes }: RoomBar): void {
    this.#quarantine.bar(key, this.#term(ms, why));
    if (closes) this.#closeAll(key, quarantinedNotice(ms));
  }

  /** Ends a quarantine, here alone. @returns false when none has this key */
  lifted(key: string): boolean {
    return this.#quarantine.lift(key);
  }

  /** Forgets the quarantines that have ended. */
  sweep(): void {
    this.#quarantine.sweep(this.#clock.now());
  }

  #term(ms: number, why: string): Term {
    const since = this.#clock.now();
    return { since, until: since + ms, why };
  }
}
