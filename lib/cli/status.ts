import { isAbsolute } from "node:path";
import { DEFAULT_FILE, load, type Loaded, problemText, sourceOf } from "../config/load.ts";
import { optionPaths } from "../config/paths.ts";
import { placeOf } from "../config/place.ts";
import { isEnabled, SERVICES } from "../config/services.ts";
import { maskedConfig } from "../config/render.ts";
import { shownPaths } from "../config/shown.ts";
import { type Config, settings } from "../config/table.ts";
import { parsePrintable } from "../host/content.ts";
import { count } from "../host/count.ts";
import { StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";
import { type Command, SOURCES, sourcesOf } from "./command.ts";
import { destinationAt } from "./client/destination.ts";
import { probe } from "./client/probes.ts";
import { answers, Remote, TokenWanted, type Varz } from "./client/remote.ts";
import { say } from "./terminal/say.ts";
import { flag, object, record, text } from "./client/shape.ts";
import { roomLine } from "./top/cluster.ts";
import { problemLine } from "./top/page.ts";
import { duration } from "./terminal/words.ts";

export const status: Command = {
  name: "status",
  about:
    "Print in one line how the server of this configuration fares, and in one each what is wrong besides; exit code 0 when it is alive and ready, else 1.",
  more: [
    "For scripts and for the health checks of containers. It asks the server's web service, and makes sure that it is this server's; where that is off, it asks the other services as a client would.",
  ],
  flags: SOURCES,
  examples: [
    ["status", "Asks the server that ./summoner.toml describes."],
    ["status --config /etc/summoner.toml", "Asks another one."],
  ],
  async run(args) {
    const loaded = load(settings, sourcesOf(args));
    for (const problem of loaded.problems) say.error(problemText(problem));
    if (loaded.problems.length > 0) return 2;
    let state = "unknown";
    try {
      const ask = answers(loaded.config) ? judging(loaded) : asking(loaded);
      state = "down";
      const [line, well] = await ask();
      process.stdout.write(`${line}\n`);
      return well ? 0 : 1;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      // A server that wants another token is there.
      if (error instanceof TokenWanted) state = "unknown";
      process.stdout.write(`${state}: ${error.message}${hints(error, loaded)}\n`);
      return 1;
    }
  },
};

/** Asks a server for its state. @throws StartError when it does not answer as the server of the configuration */
type Ask = () => Promise<[line: string, well: boolean]>;

/** Asks the services of a server without a web service: it is well when all are there. @throws StartError when it is not known how */
function asking({ config, file }: Loaded<Config>): Ask {
  const on = SERVICES.filter(({ name }) => isEnabled(config, name));
  if (on.length === 0) throw new StartError(`nothing is switched on in ${file ?? "the defaults"}`);
  const all = on.map(({ name }) => destinationAt(placeOf(config, name), file ?? "the defaults"));
  return async () => {
    await Promise.all(all.map(probe));
    const parts = all.map(({ service, host, port }) => `${service} on ${addressText(host, port)}`);
    return [`ok: ${parts.join("; ")}`, true];
  };
}

/** Asks the web service of a server. @throws StartError when it is not known how */
function judging(loaded: Loaded<Config>): Ask {
  const remote = new Remote(loaded, true);
  return () => judge(remote, loaded);
}

/** What may be the cause of an error besides, in words that end its sentence. */
function hints({ faults }: StartError, { config, file }: Loaded<Config>): string {
  const paths = faults.map(({ key }) => memberAt(config, key));
  const isRelative = paths.some((path) => typeof path === "string" && !isAbsolute(path));
  const relative = isRelative
    ? "; relative paths begin in the server's working directory, so this has to run there"
    : "";
  return file === null
    ? `${relative}; there is no ${DEFAULT_FILE} here, so the defaults were taken`
    : relative;
}

async function judge(remote: Remote, loaded: Loaded<Config>): ReturnType<Ask> {
  const varz = await remote.confirm();
  const { name, version, process, services, now, sends, problems = [] } = varz;
  const [alive, ready] = await Promise.all([
    remote.json("/healthz", object({ status: text, why: record(text) })),
    remote.json("/readyz", object({ ready: flag, why: record(text) })),
  ]);
  const at = now === undefined ? Date.now() : Date.parse(now);
  const rooms = Object.values(services).flatMap(({ room }) => (room ? [roomLine(room, at)] : []));
  const linesOf = (some: typeof problems) =>
    [...rooms, ...some.map((problem) => problemLine(problem, at)), ...waiting(varz, loaded)]
      .map((line) => `\n${line}`)
      .join("");
  if (alive.status !== "ok" || !ready.ready) {
    const why = { ...ready.why, ...alive.why };
    const reasons = Object.entries(why).map(([who, said]) => `${who}: ${said}`);
    const state = alive.status === "ok" ? "not ready" : alive.status;
    // What is not healthy stands in the first line already.
    const others = problems.filter(({ part, severity }) => severity !== "failing" || !why[part]);
    return [`${state}: ${reasons.join("; ")}${linesOf(others)}`, false];
  }
  const parts = Object.entries(services).map(([service, { addresses, stats }]) => {
    const clients = stats.clients === undefined ? "" : ` with ${count(stats.clients, "client")}`;
    return `${service} on ${addresses.join(", ")}${clients}`;
  });
  const up = duration(process.uptime_seconds);
  const by = sends === undefined ? "" : `; sends leave by ${sends.way} (${sends.why})`;
  const line = `ok: ${name} ${version}, up ${up}; ${parts.join("; ")}${by}`;
  return [`${line}${linesOf(problems)}`, true];
}

/** A line about the settings that take a restart and are others in the file than those that run, if there are any. */
function waiting({ config, config_file: source }: Varz, loaded: Loaded<Config>): string[] {
  const { file } = loaded;
  if (config === undefined || file === null || sourceOf(loaded) !== source) return [];
  const read = parsePrintable(JSON.stringify(maskedConfig(settings, loaded.config)));
  const paths = [...optionPaths(settings)].flatMap(([path, { live }]) => {
    const runs = live ? undefined : memberAt(config, path);
    return runs === undefined || Bun.deepEquals(runs, memberAt(read, path)) ? [] : [path];
  });
  if (paths.length === 0) return [];
  return [
    `Note  ${file} has other values than those that run, until a restart: ${shownPaths(paths)}`,
  ];
}

/** The value at a dotted path, if there is one. */
function memberAt(config: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce((value, key) => (value as Readonly<Record<string, unknown>> | null)?.[key], config);
}
