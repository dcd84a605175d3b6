import { whole } from "../option.ts";
import { COUNT_MAX, live } from "./bounds.ts";

/**
 * How many clients a service may have.
 * @param all what is counted, in words that complete "how many"
 * @param each the same for one address
 */
export function clientLimits(all: string, each: string) {
  return {
    max_clients: whole(
      0,
      [0, COUNT_MAX],
      `How many ${all}; 0 takes the service's share of the files that the process may open.`,
      live,
    ),
    max_clients_per_address: whole(
      0,
      [0, COUNT_MAX],
      `How many ${each}; 0 means a quarter of max_clients, and no limit on loopback.`,
      live,
    ),
  };
}

/** How many clients a service over TCP may have. */
export const connectedClients = clientLimits(
  "clients may be connected",
  "clients may come from one address",
);
