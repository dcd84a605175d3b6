import { connect, type Socket } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { boot, type Booted, dial, type Peer, turn } from "../kit.ts";
import { hasBrowser, Page, type Task } from "./browser.ts";
import type { Bench } from "./contest.ts";
import { median } from "./measure.ts";
import { start, until } from "./processes.ts";
import type { Report } from "./report.ts";
import { ROOT } from "./servers.ts";

/** The query of the page's table of clients. */
const TABLE = "sort=outbox_bytes&order=desc&offset=0&limit=25";
/** The mark of the tasks before the page has shown its content. */
const LOADING = "loading";
/** Milliseconds from which on a task is long. */
const LONG_MS = 50;
/** The places that are looked at. */
const PLACES = ["overview", "clients", "relay", "store", "web", "process", "log"];
/** One of the two hundred namespaces, with its keys. */
const NAMESPACE = "store?at=n7";

/** Bytes that a page is sent a second: all of the state each time, and what differs. */
export async function told(bench: Bench): Promise<void> {
  const { report } = bench;
  report.scenario("told: bytes of a tick, as text and compressed");
  for (const count of bench.smoke ? [10] : [10, 1000]) {
    const server = await boot(["relay", "store", "web"], {
      hyper_parameters: { rate_limit_msgs_per_minute: 60, client_timeout_secs: 0 },
    });
    const peers = await Promise.all(Array.from({ length: count }, () => dial(server.port())));
    while ((server.stats()["clients"] as number) < count) await turn();
    for (const isBusy of [false, true]) {
      const sizes: string[] = [];
      for (const query of [TABLE, `${TABLE}&differences=1`]) {
        for (const coding of ["identity", "gzip"]) {
          const size = await sizeOfTick(server, query, coding, isBusy ? peers : []);
          sizes.push(`${query === TABLE ? "whole" : "differences"} ${coding} ${size} B`);
        }
      }
      report.note(`${count} clients, ${isBusy ? "busy" : "idle"}: ${sizes.join(", ")}`);
    }
    for (const peer of peers) peer.end();
    await server.stop();
  }
}

/** The bytes of a tick: the median of 20. */
async function sizeOfTick(
  server: Booted,
  query: string,
  coding: string,
  busy: readonly Peer[],
): Promise<number> {
  const socket = connect(server.port("web"), "127.0.0.1");
  let got = 0;
  socket.on("data", ({ length }) => (got += length));
  const head = `Host: localhost\r\nAccept-Encoding: ${coding}\r\nSec-Fetch-Site: same-origin\r\n`;
  socket.write(`GET /events?${query} HTTP/1.1\r\n${head}\r\n`);
  const sizes: number[] = [];
  for (let i = 0; i < 25; i++) {
    await quiet(() => got);
    const before = got;
    for (const peer of busy.slice(i, i + 50)) peer.send(`${i}\n`.repeat(1 + (i % 7)));
    await quiet(() => server.stats()["bytes_out"] as number);
    server.clock.advance(1000);
    while (got === before) await turn();
    await quiet(() => got);
    // The first ones come before all is as usual.
    if (i >= 5) sizes.push(got - before);
  }
  socket.destroy();
  return median(sizes);
}

/** Waits until a number stands still. */
async function quiet(value: () => number): Promise<void> {
  for (let still = 0, last = value(); still < 50; still++) {
    await turn();
    if (value() !== last) still = 0;
    last = value();
  }
}

/** The long tasks of a page with 10,000 clients and 100,000 keys, and how long the server's turns are meanwhile. */
export async function longTasks(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const [clients, keys] = smoke ? [100, 1000] : [9500, 100_000];
  report.scenario(`long-tasks: the page with ${clients} clients and ${keys} keys`);
  if (!hasBrowser) return report.note("skipped: no Chromium here");
  const config = `${bench.folder}/crowd.toml`;
  await Bun.write(
    config,
    `version = "rust"\nport = 0\n[logger]\nlog_level = "WARNING"
[hyper_parameters]\nclient_timeout_secs = 0\nrate_limit_msgs_per_minute = 20
[store]\nenabled = true\nport = 0\ndurability = "none"\n[web]\nenabled = true\nport = 0\n`,
  );
  const cmd = [process.execPath, `${ROOT}/index.ts`, "--config", config];
  const server = start(cmd, bench.folder);
  const portOf = (name: string, scheme: string) =>
    until(server, name, () => {
      const line = server
        .output()
        .split("\n")
        .find((one) => one.includes(`${name} is ready on`));
      return new RegExp(`${scheme}127\\.0\\.0\\.1:(\\d+)`).exec(line ?? "")?.[1] ?? null;
    });
  const [relay, store, web] = [
    Number(await portOf("relay", "")),
    Number(await portOf("store", "")),
    Number(await portOf("web", "http://")),
  ];
  const crowd = await crowded(relay, clients);
  await filled(store, keys);
  const stop = new AbortController();
  const talk = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      // Each line goes to all of them: more would measure the relay.
      crowd[i % crowd.length]?.write("x\n");
      crowd[0]?.write("\n".repeat(50));
      await Bun.sleep(1000);
    }
  })();
  const alone = await delays(web, smoke ? 2 : 10);
  const page = await Page.open("about:blank", "");
  const trace = await page.trace();
  await page.go(`http://127.0.0.1:${web}/`);
  await page.mark(LOADING);
  await page.see("!document.querySelector('#board').hidden", "its content");
  await Bun.sleep(smoke ? 500 : 2000);
  const looked = delays(web, smoke ? 2 : 30);
  for (let round = 0; round < (smoke ? 1 : 3); round++) {
    for (const place of [...PLACES, NAMESPACE]) {
      await page.mark(place);
      await page.get(`location.hash = "#/${place}"`);
      await Bun.sleep(smoke ? 100 : 1200);
    }
    await page.get(`location.hash = "#/clients"`);
    for (const column of ["messages_per_second", "refused", "address", "outbox_bytes"]) {
      await page.mark(`sorted by ${column}`);
      await page.click(`[data-column=${column}] .sort`);
      await page.see("document.querySelector('#rows').ariaBusy === null", "the sorted clients");
    }
    await page.mark("a client");
    await page.click("#rows .open");
    await Bun.sleep(smoke ? 100 : 2500);
  }
  const together = await looked;
  tellTasks(report, await trace.stop());
  const shown = (all: readonly number[]) =>
    `median ${(median([...all]) * 1000).toFixed(1)} ms, longest ${(Math.max(...all) * 1000).toFixed(1)} ms`;
  report.note(`longest delay of the event loop in a second, without a page: ${shown(alone)}`);
  report.note(`the same with the page in use: ${shown(together)}`);
  page.close();
  stop.abort();
  await talk;
  for (const socket of crowd) socket.destroy();
  await server.stop();
}

/** Tells the tasks that were long: by the processor's time, for by the clock the load of the machine is in them. */
function tellTasks(report: Report, tasks: readonly Task[]): void {
  const load = `load of the machine ${(loadavg()[0] ?? 0).toFixed(1)} on ${availableParallelism()} cores`;
  report.note(`${tasks.length} tasks, ${load}`);
  for (const isLoading of [true, false]) {
    const some = tasks.filter(({ mark }) => (mark === LOADING) === isLoading);
    const long = some.filter(({ cpu }) => cpu > LONG_MS);
    const said = long.map(({ mark, cpu }) => `${mark} ${Math.round(cpu)} ms`).join(", ");
    const byClock = some.filter(({ wall }) => wall > LONG_MS).length;
    const most = some.toSorted((a, b) => b.cpu - a.cpu)[0];
    report.note(
      `${isLoading ? "while loading" : "after that"}: over ${LONG_MS} ms on the processor: ${said || "none"} (most ${most?.cpu.toFixed(1)} ms, ${most?.mark}), by the clock: ${byClock}`,
    );
  }
}

/** Connects so many clients that listen. */
async function crowded(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const more = Array.from({ length: Math.min(200, count - sockets.length) }, () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const socket = connect(port, "127.0.0.1", resolve);
      socket.on("error", reject);
      socket.resume();
      sockets.push(socket);
      return promise;
    });
    await Promise.all(more);
  }
  return sockets;
}

/** Sets so many keys in two hundred namespaces. */
async function filled(port: number, count: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  let answers = 0;
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => (answers += text.split("\n").length - 1));
  for (let i = 0; i < count; i++) {
    socket.write(`{"action":"SET","key":"n${i % 200}.k${i}","value":${i}}\n`);
    if (i % 1000 === 999) while (answers < i - 5000) await turn();
  }
  while (answers < count) await turn();
  socket.destroy();
}

/** The longest delay of the event loop in each of some seconds, as the server tells it. */
async function delays(port: number, seconds: number): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < seconds; i++) {
    await Bun.sleep(1000);
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    found.push(Number(/^summoner_process_event_loop_delay_seconds ([\d.e-]+)$/m.exec(text)?.[1]));
  }
  return found;
}

/** A day of ticks, as fast as a page takes them: its memory before and after. */
export async function replay(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const ticks = smoke ? 600 : 86_400;
  // After an hour all that is kept of it is full.
  const settled = smoke ? 300 : 3900;
  report.scenario(`replay: ${ticks} ticks, as fast as the page takes them`);
  if (!hasBrowser) return report.note("skipped: no Chromium here");
  const server = await boot(["relay", "store", "web"], {
    hyper_parameters: { rate_limit_msgs_per_minute: 100, client_timeout_secs: 0 },
  });
  const peers: Peer[] = [];
  for (let i = 0; i < 40; i++) peers.push(await dial(server.port()));
  // The page's own clock would call it late otherwise.
  const page = await Page.open(
    server.url("/"),
    `window.ticks = 0;
     const { addEventListener } = EventSource.prototype;
     EventSource.prototype.addEventListener = function (name, hear) {
       return addEventListener.call(this, name, (event) => {
         hear(event);
         if (name === "tick" || name === "difference") ticks++;
       });
     };`,
  );
  await page.see("window.ticks > 0", "its first tick");
  const life = new Life(server, peers);
  for (let i = 1; i <= ticks; i++) {
    await life.go(i);
    server.clock.advance(1000);
    if (i % 10 > 0) continue;
    await page.see(`window.ticks >= ${i}`, `tick ${i}`);
    if (i % 200 === 0) await page.get(`location.hash = "#/${life.place(i / 200)}"`);
    // Opened places count their own events too.
    if (i % 200 === 0) await page.see(`(window.ticks = ${i}, true)`, "its count");
    if (i === settled || i % Math.ceil(ticks / 8) < 10 || i >= ticks - 9) {
      const { bytes, nodes, listeners } = await page.memory();
      report.note(
        `after ${i} ticks: ${(bytes / 1e6).toFixed(2)} MB, ${nodes} nodes, ${listeners} listeners`,
      );
    }
  }
  page.close();
  for (const peer of peers) peer.end();
  await server.stop();
}

/** What goes on while ticks are replayed. */
class Life {
  readonly #server: Booted;
  readonly #peers: Peer[];

  constructor(server: Booted, peers: Peer[]) {
    this.#server = server;
    this.#peers = peers;
  }

  /** A place, and often that of the clients with one of them opened. */
  place(at: number): string {
    if (at % 3 > 0) return PLACES[at % PLACES.length] as string;
    const clients = this.#server.clients();
    return `clients?client=relay/${clients[at % clients.length]?.id}`;
  }

  async go(at: number): Promise<void> {
    this.#peers[at % this.#peers.length]?.send("x\n".repeat(1 + (at % 150)));
    if (at % 20 === 0) this.#server.log.info(`line ${at} of a long day`);
    if (at % 50 === 0) {
      this.#peers.shift()?.end();
      this.#peers.push(await dial(this.#server.port()));
      const seconds = 60 + (at % 600);
      this.#server.running().quarantine?.impose(`10.0.${at % 200}.7`, seconds);
    }
    await turn();
  }
}
