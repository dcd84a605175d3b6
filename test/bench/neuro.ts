import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, compare, fault, medians } from "./contest.ts";
import { cpuSeconds, percentile, settledBytes } from "./measure.ts";
import { accepts, freePort, start, type Started, until } from "./processes.ts";
import type { FigureName, Measured, Target } from "./report.ts";
import { QUIET, ROOT } from "./servers.ts";

const NAME = "neuro";
const LIBRARY = "neuro_api";
/** The most that a force may take to its action, 99 times of 100, on an idle machine. */
const P99_MS = 20;

/** What a game registers. */
const ACTIONS = [
  { name: "end_turn", description: "End the turn." },
  {
    name: "play_card",
    description: "Play a card from the hand.",
    schema: {
      type: "object",
      required: ["card"],
      properties: {
        card: { type: "string", enum: ["Strike", "Defend", "Bash"] },
        target: { type: "integer", minimum: 0, maximum: 4 },
      },
    },
  },
  {
    name: "say",
    description: "Say something aloud.",
    schema: {
      type: "object",
      required: ["text"],
      properties: { text: { type: "string", minLength: 1, maxLength: 200 } },
    },
  },
];
const NAMES = ACTIONS.map(({ name }) => name);

/** A game that answers whatever it is sent. */
class Game {
  readonly socket: WebSocket;
  readonly name: string;
  /** When its force was sent; null when it waits for nothing. */
  forcedAt: number | null = null;
  readonly #took: (ms: number) => void;

  private constructor(socket: WebSocket, name: string, took: (ms: number) => void) {
    this.socket = socket;
    this.name = name;
    this.#took = took;
    socket.onmessage = ({ data }) => this.#heard(String(data));
  }

  static async connect(port: number, name: string, took: (ms: number) => void): Promise<Game> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await new Promise((opened, failed) => {
      socket.onopen = opened;
      socket.onerror = failed;
    });
    return new Game(socket, name, took);
  }

  say(command: string, data?: object): void {
    this.socket.send(JSON.stringify({ command, game: this.name, data }));
  }

  force(): void {
    this.forcedAt = performance.now();
    this.say("actions/force", { query: "It is your turn.", state: "x", action_names: NAMES });
  }

  #heard(text: string): void {
    if (!text.startsWith('{"command":"action"') || this.forcedAt === null) return;
    this.#took(performance.now() - this.forcedAt);
    this.forcedAt = null;
    this.say("action/result", { id: JSON.parse(text).data.id, success: true, message: "Done." });
  }
}

/** A server of the Neuro API that can be started. */
interface Kind {
  readonly name: string;
  /** Terms it runs on that a reader must know to judge its numbers. */
  readonly terms: string;
  readonly ours: boolean;
  start(port: number): Started;
}

/** A server with the games that are connected to it. */
interface Contestant {
  readonly kind: Kind;
  readonly process: Started;
  readonly games: readonly Game[];
  /** Milliseconds from each force to its action, of the round that is under way. */
  latencies: number[];
  readonly memory: Measured;
  readonly rounds: Measured[];
}

const TARGETS: Target[] = [
  { against: LIBRARY, figure: "p99", sense: "at most", limit: 1 },
  { against: LIBRARY, figure: "serverShare", sense: "at most", limit: 1 },
];

/** Games by the thousand, forces, and frames that are none. */
export async function neuro(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const games = smoke ? 20 : 1000;
  const [perSecond, seconds] = smoke ? [50, 1] : [200, 10];
  report.scenario(
    `neuro: ${games} games, ${perSecond} forces/s for ${seconds} s by a random brain`,
  );
  const kinds = await kindsOf(bench);
  for (const { name, terms } of kinds) report.note(`${name}: ${terms}`);
  let running: Contestant[] = [];
  for (const kind of kinds) {
    try {
      running.push(await enter(bench, kind, games));
    } catch (error) {
      fault(bench, kind, error);
    }
  }
  const everyone = [...running];
  for (let round = -1; round < (smoke ? 1 : bench.rounds); round++) {
    const turn = Math.max(0, round) % Math.max(1, running.length);
    for (const one of [...running.slice(turn), ...running.slice(0, turn)]) {
      try {
        const measured = await measure(one, perSecond, round < 0 ? seconds / 4 : seconds);
        if (round >= 0) one.rounds.push(measured);
      } catch (error) {
        fault(bench, one.kind, error);
        running = running.filter((other) => other !== one);
      }
    }
  }
  const rows = new Map(
    running.map((one) => [one.kind.name, { ...medians(one.rounds), ...one.memory }]),
  );
  report.table(["p50", "p99", "serverShare", "before", "after", "perClient"], rows);
  const compared: FigureName[] = ["p50", "p99", "serverShare"];
  const measured = new Map(running.map(({ kind, rounds }) => [kind, rounds]));
  compare(report, { kinds, compared, targets: TARGETS }, measured);
  const own = everyone.find(({ kind }) => kind.ours);
  if (own !== undefined) {
    judge(bench, rows.get(NAME)?.p99 ?? NaN);
    await endure(bench, own, smoke ? 1000 : 100_000);
  }
  // A server that ends with its first disconnect has been measured by now.
  for (const one of everyone) for (const { socket } of one.games) socket.close();
  await Promise.all(everyone.map(({ process }) => process.stop()));
}

/** Whether forces are answered as fast as the project wants it. */
function judge({ report }: Bench, micros: number): void {
  const ms = micros / 1000;
  report.note(
    `p99 of force to action: ${ms.toFixed(2)} ms, wanted ${P99_MS} ms on an idle machine: ${ms <= P99_MS ? "ok" : "missed"}`,
  );
}

/** Frames that are no messages of the protocol leave the memory where it was. */
async function endure({ report, smoke }: Bench, own: Contestant, frames: number): Promise<void> {
  report.scenario(`neuro: ${frames} malformed frames, three times`);
  const [game] = own.games as [Game];
  const settled = () => settledBytes(own.process.pid, smoke ? 100 : 5000);
  // Once before it counts, so that what a server keeps for later is not taken for a leak.
  await flood(game, frames);
  const before = await settled();
  // Garbage comes and goes; what is leaked is there after each of them.
  const afterwards: number[] = [];
  for (let i = 0; i < 3; i++) {
    await flood(game, frames);
    afterwards.push((await settled()) ?? NaN);
  }
  const after = before === null ? null : Math.min(...afterwards);
  report.table(["before", "after"], new Map([[NAME, { before, after }]]));
}

async function kindsOf({ report, folder, before }: Bench): Promise<Kind[]> {
  const kinds = [own(folder, NAME, ROOT)];
  const python = await pythonOf();
  if (python === null) {
    report.note(`skipped: no Python here imports ${LIBRARY}; PYTHONPATH may lead to its source`);
  } else kinds.push(library(folder, python));
  if (before !== null && existsSync(join(before, "index.ts"))) {
    kinds.push(own(folder, "before", before));
  }
  return kinds;
}

function own(folder: string, name: string, checkout: string): Kind {
  return {
    name,
    terms: "data is made from the schemas, and checked; startup is acknowledged",
    ours: checkout === ROOT,
    start(port) {
      const config = join(folder, `${Bun.randomUUIDv7()}.toml`);
      const section = `[neuro]\nenabled = true\nport = ${port}\nrandom_delay_ms = 0\n`;
      const others = "[relay]\nenabled = false\n[web]\nenabled = false\n";
      writeFileSync(config, `${QUIET}${others}${section}`);
      return start([process.execPath, join(checkout, "index.ts"), "--config", config], folder);
    },
  };
}

/** The server of the Python library. */
function library(folder: string, python: string): Kind {
  const program = join(import.meta.dir, "bare", "neuro.py");
  return {
    name: LIBRARY,
    terms: "data is taken from a table, and not checked; startup gets no answer",
    ours: false,
    start: (port) => start([python, "-W", "ignore", program, String(port)], folder),
  };
}

/** A Python that has the library, or null. */
async function pythonOf(): Promise<string | null> {
  for (const name of ["python3", "/usr/bin/python3"]) {
    const python = Bun.which(name);
    if (python === null) continue;
    const tried = Bun.spawn([python, "-c", `import ${LIBRARY}.server`], {
      stdout: "ignore",
      stderr: "ignore",
    });
    if ((await tried.exited) === 0) return python;
  }
  return null;
}

/** Starts a server and has games enter it. */
async function enter({ smoke }: Bench, kind: Kind, count: number): Promise<Contestant> {
  const port = freePort();
  const process = kind.start(port);
  await until(process, kind.name, () => accepts(port));
  const settled = () => settledBytes(process.pid, smoke ? 100 : 5000);
  const games: Game[] = [];
  const one: Contestant = { kind, process, games, latencies: [], memory: {}, rounds: [] };
  const before = await settled();
  for (let i = 0; i < count; i++) {
    const game = await Game.connect(port, `Game ${i}`, (ms) => one.latencies.push(ms));
    game.say("startup");
    game.say("actions/register", { actions: ACTIONS });
    games.push(game);
  }
  const after = await settled();
  one.memory.before = before;
  one.memory.after = after;
  one.memory.perClient = before === null || after === null ? null : (after - before) / count;
  return one;
}

async function measure(one: Contestant, perSecond: number, seconds: number): Promise<Measured> {
  one.latencies = [];
  const before = cpuSeconds(one.process.pid);
  await play(one.games, perSecond, seconds);
  const after = cpuSeconds(one.process.pid);
  const { latencies } = one;
  if (latencies.length < perSecond * seconds * 0.9) {
    throw new Error(`only ${latencies.length} of ${perSecond * seconds} forces were answered`);
  }
  return {
    p50: percentile(latencies, 0.5) * 1000,
    p99: percentile(latencies, 0.99) * 1000,
    serverShare: before === null || after === null ? null : (after - before) / seconds,
  };
}

/** Forces one game after the other, so many a second. */
async function play(games: readonly Game[], perSecond: number, seconds: number): Promise<void> {
  const began = performance.now();
  const total = perSecond * seconds;
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * perSecond) + 1);
    for (; sent < due; sent++) {
      const game = games[(sent * 7) % games.length] as Game;
      if (game.forcedAt === null) game.force();
    }
    await Bun.sleep(1);
  }
  await Bun.sleep(200);
}

/** Sends frames that are no messages of the protocol, and waits until they have been read. */
async function flood(game: Game, frames: number): Promise<void> {
  for (let i = 0; i < frames; i++) {
    const kind = i % 5;
    if (kind === 0) game.socket.send(`nonsense ${i}`);
    else if (kind === 1) game.say(`unknown ${i}`);
    else if (kind === 2) game.say("context", { message: i });
    else if (kind === 3) game.say("action/result", { id: `${i}`, success: true });
    else game.socket.send(`{"command":"startup","game":${i}`);
    if (i % 1000 === 999) await read(game);
  }
  await read(game);
}

/** Waits until the server has read all that a game has sent: it answers the last of it. */
async function read(game: Game): Promise<void> {
  await new Promise<void>((done) => {
    const heard = ({ data }: MessageEvent) => {
      if (!String(data).startsWith('{"command":"startup"')) return;
      game.socket.removeEventListener("message", heard);
      done();
    };
    game.socket.addEventListener("message", heard);
    game.say("startup");
  });
}
