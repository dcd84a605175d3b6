import type { Config } from "../../config/table.ts";
import type { Host, Service } from "../../host/service.ts";
import { sendFaults } from "../../net/sends/way.ts";
import { GreetedClient } from "./greeted-client.ts";
import { type Greeting, Relay } from "./relay.ts";

/** The relay as a service. `greet` is awaited for each client before it is served. */
export function relay(
  greet: ((client: GreetedClient) => void | Promise<void>) | null = null,
): Service<Config> {
  const start = (config: Config, host: Host<Config>): Relay => {
    const greeting: Greeting = async (client) => {
      await greet?.(new GreetedClient(client, (notice) => made.close(client, "refused", notice)));
    };
    const made: Relay = new Relay(config, host, greet && greeting);
    return made;
  };
  return Object.assign(start, { check: sendFaults });
}
