import type { Row } from "../row.ts";
import { row as relay } from "./relay.ts";

export const row: Row = {
  ...relay,
  service: "relay",
  settings: { hyper_parameters: { worker_threads: 2 } },
  inThreads: true,
};
