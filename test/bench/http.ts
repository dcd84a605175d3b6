import { join } from "node:path";
import type { BareRoutes } from "./bare/routes.ts";
import { type Bench, compare, contest, fault, medians } from "./contest.ts";
import { Generator } from "./generator.ts";
import { cpuSeconds, exactCpuSeconds, median, peakBytes } from "./measure.ts";
import { type Started, start, until } from "./processes.ts";
import type { Measured, Target } from "./report.ts";
import { QUIET, relay, ROOT } from "./servers.ts";

const BARE = join(import.meta.dir, "bare");
const CONNECTIONS = 50;
const HEALTH = "/healthz";
const JSON_ROUTE = "/json";

/** An HTTP server that runs. */
interface Site {
  origin: string;
  process: Started;
}

interface HttpKind {
  name: string;
  terms: string;
  ours: boolean;
  start(): Promise<Site>;
}

/** The web service against bare servers that give the same answers. */
export async function http(bench: Bench): Promise<void> {
  const wrk = wrkOf(bench);
  if (wrk === null) return;
  const own = await web(bench);
  const site = await own.start();
  const routes = join(bench.folder, "routes.json");
  await Bun.write(routes, JSON.stringify(await answers(site)));
  await site.process.stop();
  const kinds = [own, bare(bench, "bun", [process.execPath, join(BARE, "bun.ts"), routes])];
  const node = Bun.which("node");
  if (node === null) bench.report.note("skipped: node is not installed");
  else kinds.push(bare(bench, "node", [node, join(BARE, "node.mjs"), routes]));
  if (bench.before !== null) kinds.push(await web(bench, "before", QUIET, "", bench.before));
  const targets: Target[] = [
    { against: "bun", figure: "requests", sense: "at least", limit: 0.9 },
    { against: "node", figure: "requests", sense: "at least", limit: 2 },
  ];
  for (const path of [HEALTH, JSON_ROUTE]) {
    await race(bench, wrk, `http: ${path} on ${CONNECTIONS} connections`, path, kinds, targets);
  }
}

/** Measures the cost of a log of every request in a file. */
export async function accessLog(bench: Bench): Promise<void> {
  const wrk = wrkOf(bench);
  if (wrk === null) return;
  const logging = `[logger]
enable_console_log = false
enable_file_log = true
log_file_path = ${JSON.stringify(join(bench.folder, "access"))}
max_file_size = 1_000_000_000
`;
  const kinds = [
    await web(bench, "logging web", logging, "access_log = true\n"),
    await web(bench, "silent web"),
  ];
  const targets: Target[] = [
    { against: "silent web", figure: "requests", sense: "at least", limit: 0.85 },
  ];
  const title = `access log: ${HEALTH} on ${CONNECTIONS} connections, a line in a file for each request`;
  await race(bench, wrk, title, HEALTH, kinds, targets);
}

/** Measures the cost of an open dashboard for the relay while 500 clients are busy. */
export async function dashboard(bench: Bench): Promise<void> {
  const listeners = bench.smoke ? 10 : 500;
  const seconds = bench.smoke ? 0.3 : 4;
  const settings = `${QUIET}[web]\nenabled = true\nport = 0\n`;
  const plain = relay(bench.folder, "nobody looks", settings);
  const watched = relay(bench.folder, "dashboard open", settings);
  if (plain === null || watched === null) return;
  const pages = new AbortController();
  const open = {
    ...watched,
    start: async (count: number) => {
      const server = await watched.start(count);
      await look(server.process, watched.name, pages.signal);
      return server;
    },
  };
  await contest(bench, {
    title: `dashboard: 200 messages/s to ${listeners} listeners for ${seconds} s, with one page open and with none`,
    kinds: [open, plain],
    listeners,
    publisher: true,
    load: { kind: "paced", perSecond: 200, seconds },
    warmUp: { kind: "paced", perSecond: 200, seconds: seconds / 4 },
    columns: ["rate", "cpuPerMillion", "p50", "p99", "peak"],
    compared: ["cpuPerMillion", "p99"],
    targets: [{ against: plain.name, figure: "cpuPerMillion", sense: "at most", limit: 1.05 }],
  });
  pages.abort();
  await idleDashboard(bench, settings);
}

/** Opens a page at a server: its table of clients, which costs the most. */
async function look(process: Started, name: string, signal: AbortSignal): Promise<void> {
  const { origin } = await originOf(process, name);
  const query = "sort=outbox_bytes&order=desc&offset=0&limit=25&viewers=0&differences=1";
  const page = await fetch(`${origin}/events?${query}`, { signal });
  void readAll(page).catch(() => {});
}

/** The same where nobody sends anything: the CPU of the server in each of some stretches, in turns. */
async function idleDashboard(bench: Bench, settings: string): Promise<void> {
  const [clients, seconds] = bench.smoke ? [10, 1] : [500, 10];
  const { report } = bench;
  report.scenario(
    `dashboard: ${clients} clients that say nothing, with one page open and with none`,
  );
  const kind = relay(bench.folder, "idle", settings);
  if (kind === null) return;
  const pages = new AbortController();
  const servers = [await kind.start(clients), await kind.start(clients)] as const;
  const [watched, plain] = servers.map(({ process }) => process.pid) as [number, number];
  const generators = servers.map(() => new Generator());
  for (const [i, { port }] of servers.entries()) {
    const { payloadBytes, json } = bench;
    const wants = { wire: kind.wire, ports: [port], gathers: false, apart: false };
    const crowd = { listeners: clients, publisher: false };
    await generators[i]?.setup({ ...wants, ...crowd, payloadBytes, json });
  }
  await look(servers[0].process, kind.name, pages.signal);
  const spent = async (pid: number) => {
    const before = exactCpuSeconds(pid);
    await Bun.sleep(seconds * 1000);
    const after = exactCpuSeconds(pid);
    return before === null || after === null ? NaN : (after - before) / seconds;
  };
  const ratios: number[] = [];
  const shares: number[][] = [];
  for (let round = -1; round < bench.rounds; round++) {
    // Both at once meet the same weather.
    const [one = NaN, other = NaN] = await Promise.all([spent(watched), spent(plain)]);
    if (round >= 0) ratios.push(one / other);
    if (round >= 0) shares.push([one, other]);
  }
  const percent = (of: number) => (100 * median(shares.map((two) => two[of] ?? NaN))).toFixed(2);
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((one) => one.toFixed(2));
  report.note(`CPU of a core: ${percent(0)}% with the page, ${percent(1)}% without`);
  report.note(`ratio ${median(ratios).toFixed(2)} (${low} to ${high})`);
  pages.abort();
  await Promise.all(generators.map((generator) => generator.stop()));
  for (const { process } of servers) await process.stop();
}

async function readAll(page: Response): Promise<void> {
  if (!page.body) return;
  for await (const _ of page.body) void _;
}

function wrkOf({ report }: Bench): string | null {
  const wrk = Bun.which("wrk");
  if (wrk === null) report.note("skipped: wrk is not installed");
  return wrk;
}

/** The same load on every server, in turns. */
async function race(
  bench: Bench,
  wrk: string,
  title: string,
  path: string,
  kinds: HttpKind[],
  targets: Target[],
): Promise<void> {
  const { report } = bench;
  report.scenario(title);
  const running: { kind: HttpKind; site: Site }[] = [];
  for (const kind of kinds) {
    try {
      running.push({ kind, site: await kind.start() });
    } catch (error) {
      fault(bench, kind, error);
    }
  }
  const rounds = new Map(running.map(({ kind }) => [kind, [] as Measured[]]));
  const seconds = bench.smoke ? 1 : 3;
  for (let round = -1; round < bench.rounds; round++) {
    const turn = Math.max(0, round) % Math.max(1, running.length);
    for (const { kind, site } of [...running.slice(turn), ...running.slice(0, turn)]) {
      try {
        const measured = await blast(wrk, site, path, round < 0 ? 1 : seconds);
        if (round >= 0) rounds.get(kind)?.push(measured);
      } catch (error) {
        fault(bench, kind, error);
      }
    }
  }
  const rows = new Map<string, Measured>();
  for (const { kind, site } of running) {
    const row = medians(rounds.get(kind) ?? []);
    row.peak = peakBytes(site.process.pid);
    rows.set(kind.name, row);
    await site.process.stop();
  }
  report.table(["requests", "cpuPerRequest", "peak"], rows);
  compare(report, { kinds, compared: ["requests", "cpuPerRequest"], targets }, rounds);
}

/** One round of wrk. @throws Error when an answer was not 200 or did not come */
async function blast(
  wrk: string,
  { origin, process }: Site,
  path: string,
  seconds: number,
): Promise<Measured> {
  const before = cpuSeconds(process.pid);
  const cmd = [wrk, "-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, origin + path];
  const child = Bun.spawn({ cmd, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const said = await new Response(child.stdout).text();
  const after = cpuSeconds(process.pid);
  const trouble = /Socket errors.*|Non-2xx.*/.exec(said)?.[0];
  if (trouble) throw new Error(`${path}: ${trouble}`);
  const requests = Number(/(\d+) requests in/.exec(said)?.[1]);
  const cpu = before === null || after === null ? null : (after - before) / requests;
  return { requests: Number(/Requests\/sec:\s*([\d.]+)/.exec(said)?.[1]), cpuPerRequest: cpu };
}

/** This project's web service with a handler of a user's own. */
async function web(
  bench: Bench,
  name = "web",
  logger = QUIET,
  more = "",
  checkout = ROOT,
): Promise<HttpKind> {
  const handler = join(bench.folder, "site.ts");
  const code = 'export default { GET: () => Response.json({ message: "Hello, World!" }) };\n';
  await Bun.write(handler, code);
  const settings = `port = 0\n${logger}[web]\nenabled = true\nport = 0\nhandler = ${JSON.stringify(handler)}\n`;
  return {
    name,
    terms: "the web service beside an idle relay",
    ours: checkout === ROOT,
    start: async () => {
      const config = join(bench.folder, `${Bun.randomUUIDv7()}.toml`);
      await Bun.write(config, `version = "rust"\n${settings}${more}`);
      const cmd = [process.execPath, join(checkout, "index.ts"), "--config", config];
      return originOf(start(cmd, bench.folder), name);
    },
  };
}

async function originOf(process: Started, name: string): Promise<Site> {
  const ready = /web is ready on (\S+)\//;
  const origin = await until(process, name, () => ready.exec(process.output())?.[1] ?? null);
  return { origin, process };
}

function bare(bench: Bench, name: string, cmd: string[]): HttpKind {
  return {
    name,
    terms: "the same answers and nothing else",
    ours: false,
    start: async () => {
      const process = start(cmd, bench.folder);
      const address = await until(
        process,
        name,
        () => /127\.0\.0\.1:\d+/.exec(process.output())?.[0] ?? null,
      );
      return { origin: `http://${address}`, process };
    },
  };
}

/** Our server's answers, for the others to answer the same. */
async function answers({ origin }: Site): Promise<BareRoutes> {
  const found: Record<string, BareRoutes[string]> = {};
  for (const path of [HEALTH, JSON_ROUTE]) {
    const answer = await fetch(origin + path);
    const headers = Object.fromEntries(answer.headers);
    // These are each server's own to add.
    for (const name of ["date", "content-length", "connection", "keep-alive"]) delete headers[name];
    const text = await answer.text();
    found[path] = { headers, value: JSON.parse(text), newline: text.endsWith("\n") };
  }
  return found;
}
