import { printable } from "../../../host/content.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Running } from "../../../host/service.ts";
import { type ClientRow, connzPage } from "./connz.ts";
import type { OneClient } from "./wanted.ts";

/** A message of a client that was refused. */
interface RefusalTold {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly code: string;
  readonly words: string;
  readonly times: number;
}

/** How a client has fared: for each step a value. */
interface PastTold {
  /** The ends of the steps, milliseconds since 1970. */
  readonly at: readonly number[];
  readonly messages_per_second: readonly number[];
  readonly refused_per_second: readonly number[];
  readonly outbox_bytes: readonly number[];
}

/** More of a client than its row. */
export interface MoreTold {
  readonly refusals: readonly RefusalTold[];
  readonly past: PastTold;
}

/** The client that is looked at, as a stream tells it. */
export interface ClientTold {
  /** `SERVICE/ID`. */
  readonly key: string;
  /** Not there when the client is gone. */
  readonly row?: ClientRow | undefined;
  readonly refusals?: readonly RefusalTold[] | undefined;
}

/** Turns the clock's time into milliseconds since 1970; the same for the same time unless the wall clock is set. */
export class WallTime {
  readonly #clock: Clock;
  #offset = NaN;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(at: number): number {
    const offset = this.#clock.wall() - this.#clock.now();
    if (!(Math.abs(offset - this.#offset) < 1000)) this.#offset = offset;
    return Math.round(at + this.#offset);
  }
}

/** More of a client; null when there is none, or its service has nothing more to tell. */
export async function moreTold(
  services: ReadonlyMap<string, Running>,
  { service, id }: OneClient,
  time: WallTime,
): Promise<MoreTold | null> {
  const more = (await services.get(service)?.client?.(id)) ?? null;
  if (more === null) return null;
  const { past } = more;
  return {
    refusals: more.refusals.map(({ at, code, words, times }) => {
      return { at: time.of(at), code, words: printable(words), times };
    }),
    past: {
      at: past.map(({ at }) => time.of(at)),
      messages_per_second: past.map((step) => step.messagesPerSecond),
      refused_per_second: past.map((step) => step.refusedPerSecond),
      outbox_bytes: past.map((step) => step.outboxBytes),
    },
  };
}

/** The client that is looked at. */
export async function clientTold(
  services: ReadonlyMap<string, Running>,
  client: OneClient,
  time: WallTime,
): Promise<ClientTold> {
  const any = { address: "", sort: "id", order: "asc", limit: 1, offset: 0 } as const;
  const { clients } = await connzPage({ ...client, ...any }, services);
  const more = clients.length === 0 ? null : await moreTold(services, client, time);
  const key = `${client.service}/${client.id}`;
  return { key, row: clients[0], refusals: more?.refusals };
}
