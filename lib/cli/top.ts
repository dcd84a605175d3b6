import { StartError } from "../host/errors.ts";
import { type Command, SOURCES } from "./command.ts";
import { Remote } from "./client/remote.ts";
import { UNSTYLED } from "./top/cells.ts";
import { belowAsJson } from "./top/cluster.ts";
import { events } from "./top/events.ts";
import { figuresOf } from "./top/numbers.ts";
import { pageOf, stateOf, type Told } from "./top/page.ts";
import { Screen } from "./top/screen.ts";
import { type Hello, helloShape, tickShape } from "./top/told.ts";
import { View } from "./top/view.ts";

/** The rows of clients without a terminal. */
const SNAPSHOT_ROWS = 100;
/** The fewest milliseconds between two samples that make a rate. */
const RATE_MS = 500;

export const top: Command = {
  name: "top",
  about: "Watch the server of this configuration: its numbers and its clients, once a second.",
  more: [
    "First what is wrong, the worst first, then a line for each service, with the nodes of its room and its threads where it has several, then the clients; ? shows the keys. Without a terminal, or with --once, it prints what it sees once, as plain text.",
    "Kick and quarantine need the server's token, as SUMMONER_TOKEN or web.token_file; without one, top asks for it.",
  ],
  flags: [
    ...SOURCES,
    { name: "once", about: "Print what there is to see once, and end." },
    { name: "json", about: "The same as JSON, on one line." },
  ],
  examples: [
    ["top", "Watches the server that ./summoner.toml describes."],
    ["top --once | head -5", "Prints its numbers once."],
    ["top --json", "Prints them for a program."],
  ],
  run(args) {
    const remote = Remote.of(args);
    if (remote === null) return 2;
    const isJson = args.flags.has("json");
    const isLive = process.stdin.isTTY && process.stdout.isTTY;
    if (isJson || args.flags.has("once") || !isLive) return snapshot(remote, isJson);
    return new Screen(remote).run();
  },
};

async function snapshot(remote: Remote, isJson: boolean): Promise<number> {
  await remote.confirm();
  const view = new View();
  let hello: Hello | null = null;
  for await (const { event, data } of events(remote, view.query(SNAPSHOT_ROWS / 2 + 1))) {
    if (event === "hello") hello = remote.parsed(data, helloShape);
    if (event !== "tick" || !hello) continue;
    const { name, version, declared = {}, history, stream } = hello;
    const tick = remote.parsed(data, tickShape);
    const before = history.findLast(({ at }) => tick.at - at >= RATE_MS) ?? null;
    view.take(tick, stream);
    const told = { name, version, declared, tick, before };
    process.stdout.write(isJson ? `${JSON.stringify(asJson(told, view))}\n` : asText(told, view));
    return 0;
  }
  throw new StartError(`${remote.address} ended the stream at once`);
}

function asText(told: Told, view: View): string {
  const { sort, order, filter, total, first } = view;
  const rows = view.rows.slice(0, SNAPSHOT_ROWS);
  const clients = { sort, order, filter, total, first, rows, chosen: null };
  const paper = { columns: Infinity, rows: 1e6, styles: UNSTYLED };
  const { lines } = pageOf(told, clients, null, paper);
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** What a page shows, by the names that the metrics have. */
function asJson({ name, version, declared, tick, before }: Told, view: View): object {
  const { at, problems, process, services } = tick;
  const partOf = (part: string) => {
    const figures = figuresOf(part, declared, tick, before);
    const rates = figures.filter(({ stat }) => declared[part]?.[stat]?.kind === "counter");
    return Object.fromEntries(rates.map(({ stat, value }) => [stat, value]));
  };
  const told = Object.entries(services).map(([part, served]) => {
    const { addresses, stats } = served;
    return [part, { addresses, stats, per_second: partOf(part), ...belowAsJson(served) }];
  });
  return {
    at: new Date(at).toISOString(),
    name,
    version,
    state: stateOf(tick).word.toLowerCase(),
    problems: problems.map(({ part, severity, text, since }) => {
      return { part, severity, text, since: new Date(since).toISOString() };
    }),
    process: { ...process, per_second: partOf("process") },
    services: Object.fromEntries(told),
    total: view.total,
    clients: view.rows.slice(0, SNAPSHOT_ROWS),
  };
}
