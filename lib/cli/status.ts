import { StartError } from "../host/errors.ts";
import { type Command, SOURCES } from "./command.ts";
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

export const status: Command = {
  name: "status",
  about:
    "Print in one line how the server of this configuration fares; exit code 0 when it is alive and ready, else 1.",
  more: ["For scripts and for the health checks of containers. It asks the server's web service."],
  flags: SOURCES,
  examples: [
    ["status", "Asks the server that ./summoner.toml describes."],
    ["status --config /etc/summoner.toml", "Asks another one."],
  ],
  async run(args) {
    try {
      const remote = Remote.of(args);
      if (remote === null) return 2;
      const [line, well] = await judge(remote);
      process.stdout.write(`${line}\n`);
      return well ? 0 : 1;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      process.stdout.write(`down: ${error.message}\n`);
      return 1;
    }
  },
};

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
