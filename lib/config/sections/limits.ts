import { whole } from "../option.ts";
import { COUNT_MAX, live } from "./bounds.ts";

/** How many clients a service over TCP may have. */
export const clientLimits = {
  max_clients: whole(
    0,
    [0, COUNT_MAX],
    "How many clients may be connected; 0 takes what the process's limit of open files allows.",
    live,
  ),
  max_clients_per_address: whole(
    0,
    [0, COUNT_MAX],
    "How many clients may come from one address; 0 means a quarter of max_clients, and no limit on loopback.",
    live,
  ),
};
