import { whole } from "../option.ts";
import { COUNT_MAX, live } from "./bounds.ts";

/**
 * The limits on the clients of a service.
 * @param all words for the clients in all, which complete "How many"
 * @param each words for the clients of one address, which complete "How many" too
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

/** The limits on the clients of a service over TCP. */
export const connectedClients = clientLimits(
  "clients may be connected",
  "clients may come from one address",
);
