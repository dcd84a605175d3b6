import type { Config } from "../../config/table.ts";
import type { Host, Service } from "../../host/service.ts";
import { sendFaults } from "../../net/sends/way.ts";
import { GreetedClient } from "./greeted-client.ts";
import { addressFaults } from "./order/redis/address.ts";
import { type Greeting, Relay } from "./relay.ts";

/** The relay of a room on a server; it takes memory, so it is loaded only where there is one. */
const roomRelay = async () => (await import("./order/redis/room-relay.ts")).RoomRelay;

/** The relay as a service. `greet` is awaited for each client before it is served. */
export function relay(
  greet: ((client: GreetedClient) => void | Promise<void>) | null = null,
): Service<Config> {
  const start = (config: Config, host: Host<Config>): Relay | Promise<Relay> => {
    let made: Relay;
    const greeting: Greeting = async (client) => {
      await greet?.(new GreetedClient(client, (notice) => made.close(client, "refused", notice)));
    };
    const make = (Kind: typeof Relay) => (made = new Kind(config, host, greet && greeting));
    return config.cluster.url === "" ? make(Relay) : roomRelay().then(make);
  };
  const check = (config: Config) => [...sendFaults(config), ...addressFaults(config)];
  return Object.assign(start, { check });
}
