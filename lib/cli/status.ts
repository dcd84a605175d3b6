import type { Loaded } from "../config/load.ts";
import type { Config } from "../config/table.ts";
import { messageOf, StartError } from "../host/errors.ts";
import { Remote } from "./remote.ts";
import { duration } from "./words.ts";

interface Varz {
  readonly name: string;
  readonly version: string;
  readonly process: { readonly uptime_seconds: number };
  readonly services: Readonly<
    Record<string, { readonly addresses: readonly string[]; readonly stats: { clients?: number } }>
  >;
}

/**
 * Prints how the server of a configuration fares, in one line on standard
 * output. @returns 0 when it is alive and ready, else 1
 */
export async function status(loaded: Loaded<Config>): Promise<number> {
  try {
    const [line, well] = await judge(new Remote(loaded));
    process.stdout.write(`${line}\n`);
    return well ? 0 : 1;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stdout.write(`down: ${messageOf(error)}\n`);
    return 1;
  }
}

async function judge(remote: Remote): Promise<[line: string, well: boolean]> {
  const [alive, ready] = await Promise.all([
    remote.json<{ status: string; why: Record<string, string> }>("/healthz"),
    remote.json<{ ready: boolean; why: Record<string, string> }>("/readyz"),
  ]);
  if (alive.status !== "ok" || !ready.ready) {
    const why = Object.entries({ ...ready.why, ...alive.why }).map(
      ([who, said]) => `${who}: ${said}`,
    );
    return [`${alive.status === "ok" ? "not ready" : alive.status}: ${why.join("; ")}`, false];
  }
  const { name, version, process, services } = await remote.json<Varz>("/varz");
  const parts = Object.entries(services).map(([service, { addresses, stats }]) => {
    const clients = stats.clients === undefined ? "" : ` with ${stats.clients} clients`;
    return `${service} on ${addresses.join(", ")}${clients}`;
  });
  const up = duration(process.uptime_seconds);
  return [`ok: ${name} ${version}, up ${up}; ${parts.join("; ")}`, true];
}
