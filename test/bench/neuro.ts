import { join } from "node:path";
import type { Bench } from "./contest.ts";
import { cpuSeconds, median, percentile, settledBytes } from "./measure.ts";
import { accepts, freePort, start, type Started, until } from "./processes.ts";
import type { Measured } from "./report.ts";
import { QUIET, ROOT } from "./servers.ts";

const NAME = "neuro";
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

/** Games by the thousand, forces, and frames that are none. */
export async function neuro({ report, folder, smoke, rounds }: Bench): Promise<void> {
  const games = smoke ? 20 : 1000;
  const [perSecond, seconds] = smoke ? [50, 1] : [200, 10];
  const malformed = smoke ? 1000 : 100_000;
  report.scenario(
    `neuro: ${games} games, ${perSecond} forces/s for ${seconds} s by the random brain, then ${malformed} malformed frames`,
  );
  const port = freePort();
  const process = await serve(folder, port);
  const settled = () => settledBytes(process.pid, smoke ? 100 : 5000);
  let latencies: number[] = [];
  const before = await settled();
  const all: Game[] = [];
  for (let i = 0; i < games; i++) {
    const game = await Game.connect(port, `Game ${i}`, (ms) => latencies.push(ms));
    game.say("startup");
    game.say("actions/register", { actions: ACTIONS });
    all.push(game);
  }
  const after = await settled();
  const perClient = before === null || after === null ? null : (after - before) / games;
  report.table(["before", "after", "perClient"], new Map([[NAME, { before, after, perClient }]]));
  const rows = new Map<string, Measured>();
  for (let round = 1; round <= (smoke ? 1 : rounds); round++) {
    latencies = [];
    const cpu = cpuSeconds(process.pid);
    await play(all, perSecond, seconds);
    const used = cpuSeconds(process.pid);
    const forces = latencies.length;
    const p99 = percentile(latencies, 0.99);
    if (forces < perSecond * seconds * 0.9) report.error(`only ${forces} forces were answered`);
    rows.set(`round ${round}`, {
      p50: percentile(latencies, 0.5) * 1000,
      p99: p99 * 1000,
      serverShare: cpu === null || used === null ? null : (used - cpu) / seconds,
    });
  }
  report.table(["p50", "p99", "serverShare"], rows);
  const typical = median([...rows.values()].map(({ p99 }) => p99 ?? NaN)) / 1000;
  const verdict = typical <= P99_MS ? "ok" : "missed";
  report.note(
    `p99 of force to action: ${typical.toFixed(2)} ms, wanted ${P99_MS} ms on an idle machine: ${verdict}`,
  );
  // Once before it counts, so that what a server keeps for later is not taken for a leak.
  await flood(all[0] as Game, malformed);
  const calm = await settled();
  await flood(all[0] as Game, malformed);
  const flooded = await settled();
  report.table(["before", "after"], new Map([["malformed", { before: calm, after: flooded }]]));
  for (const game of all) game.socket.close();
  await process.stop();
}

async function serve(folder: string, port: number): Promise<Started> {
  const config = join(folder, "neuro.toml");
  const own = `[neuro]\nenabled = true\nport = ${port}\nrandom_delay_ms = 0\n`;
  await Bun.write(config, `${QUIET}[relay]\nenabled = false\n[web]\nenabled = false\n${own}`);
  const cmd = [process.execPath, join(ROOT, "index.ts"), "--config", config];
  const started = start(cmd, folder);
  await until(started, NAME, () => accepts(port));
  return started;
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
