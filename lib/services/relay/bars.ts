import type { Config } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import type { Barred, Quarantined } from "../../host/service.ts";
import type { Refused } from "../../net/admission.ts";
import { CLOSE_REASONS } from "../../net/client.ts";
import { Quarantine, type Term } from "../../net/quarantine.ts";
import type { RelayClient } from "./client.ts";
import { quarantinedNotice } from "./envelope.ts";

/** The addresses that may not come back for a while, and who puts them there: the relay's guards, or an operator. */
export class Bars implements Quarantined {
  readonly #quarantine = new Quarantine();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: () => Config;
  readonly #closeAll: (ip: string, notice: string) => void;

  /** @param closeAll closes the clients of an address, with a notice */
  constructor(
    clock: Clock,
    log: Log,
    config: () => Config,
    closeAll: (ip: string, notice: string) => void,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#config = config;
    this.#closeAll = closeAll;
  }

  get size(): number {
    return this.#quarantine.size;
  }

  entries(): Iterable<Barred> {
    return this.#quarantine.entries(this.#clock.now());
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
    const barred = this.#quarantine.bar(ip, this.#term(seconds, "an operator put it there"));
    this.#closeAll(ip, quarantinedNotice(seconds * 1000));
    return barred;
  }

  /** Bars a client that has been closed by a guard. */
  imposeOn(client: RelayClient): void {
    const { quarantine_cooldown_secs: seconds } = this.#config().hyper_parameters;
    if (seconds === 0) return;
    const by = this.#config().relay.quarantine_by;
    const term = this.#term(seconds, CLOSE_REASONS[client.reason ?? "slow"]);
    const barred = this.#quarantine.impose(client.ip, client.port, by, term);
    this.#log.warning(`${barred} is in quarantine for ${seconds} s`);
  }

  lift(key: string): boolean {
    return this.#quarantine.lift(key);
  }

  /** Forgets the quarantines that have ended. */
  sweep(): void {
    this.#quarantine.sweep(this.#clock.now());
  }

  #term(seconds: number, why: string): Term {
    const since = this.#clock.now();
    return { since, until: since + seconds * 1000, why };
  }
}
