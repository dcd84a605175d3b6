import { placeOf } from "../../config/place.ts";
import { THREADS_SHARE_PORTS } from "../../config/sections/relay.ts";
import type { Config } from "../../config/table.ts";
import { type Fault, StartError } from "../../host/errors.ts";
import type { Log } from "../../host/log.ts";
import { isHandedOver } from "../../host/service/places.ts";
import type { Host, Running, Service } from "../../host/service.ts";
import { sendFaults } from "../../net/sends/way.ts";
import { GreetedClient } from "./greeted-client.ts";
import { Alone } from "./order/alone.ts";
import type { Road } from "./order/batch.ts";
import { addressFaults } from "./order/redis/server/address.ts";
import { portionOf } from "./order/portions.ts";
import { Shared } from "./order/shared.ts";
import { type Greeting, Relay } from "./relay.ts";

/** A relay in a room on a server, loaded only where there is one. */
const inRoom = async () => (await import("./order/redis/in-room.ts")).InRoom;

/** The relay of several threads, loaded only where there are some. */
const threadedRelay = async () => (await import("./threads/threads.ts")).Threads;

/** A thread's listener, its event loop (two), its ring, and one that it opens now and then. */
const FILES_OF_THREAD = 5;

const THREADS = "hyper_parameters.worker_threads";

/** The relay as a service. `greet` is awaited for each client before it is served. */
export function relay(
  greet: ((client: GreetedClient) => void | Promise<void>) | null = null,
): Service<Config> {
  const faultsOfThreads = ({ hyper_parameters }: Config): Fault[] => {
    if (greet === null || hyper_parameters.worker_threads <= 1) return [];
    const message = "a program that handles the clients itself has them all in one thread; set 1";
    return [{ key: THREADS, message }];
  };
  const serve = (
    config: Config,
    host: Host<Config>,
    road: Road | null,
  ): Running | Promise<Running> => {
    const threads = threadsFor(config, host.log);
    if (threads > 1) {
      return threadedRelay().then((Kind) => new Kind(config, host, threads, road).start());
    }
    const greeting: Greeting = async (client) => {
      await greet?.(new GreetedClient(client, (notice) => made.close(client, "refused", notice)));
    };
    let { relay: bounds } = config;
    const order =
      road === null
        ? new Alone()
        : new Shared(
            road,
            () => bounds.total_outbox_bytes,
            () => portionOf(bounds),
          );
    const made = new Relay(config, host, greet && greeting, order);
    host.onReload((next) => {
      bounds = next.relay;
    });
    return made;
  };
  const start = (config: Config, host: Host<Config>): Running | Promise<Running> => {
    const faults = faultsOfThreads(config);
    if (faults.length > 0) throw new StartError(faults);
    if (config.cluster.url === "") return serve(config, host, null);
    return inRoom().then((Kind) => Kind.start(config, host, (road) => serve(config, host, road)));
  };
  const check = (config: Config) => [
    ...sendFaults(config),
    ...addressFaults(config),
    ...faultsOfThreads(config),
  ];
  const files = ({ hyper_parameters: { worker_threads: threads } }: Config) =>
    threads > 1 && THREADS_SHARE_PORTS ? threads * FILES_OF_THREAD : 0;
  return Object.assign(start, { check, files });
}

/** The threads that serve. Where more are wanted than can be, the log is told why. */
function threadsFor(config: Config, log: Pick<Log, "info" | "warning">): number {
  const { worker_threads: wanted } = config.hyper_parameters;
  // Where the system cannot do it, a remark on the settings has said so.
  if (wanted <= 1 || !THREADS_SHARE_PORTS) return 1;
  if (isHandedOver(placeOf(config, "relay"))) {
    log.warning(
      `relay: one thread serves, not ${wanted} (worker_threads): threads cannot share a socket that a service manager hands over`,
    );
    return 1;
  }
  log.info(`relay: ${wanted} threads serve the clients`);
  return wanted;
}
