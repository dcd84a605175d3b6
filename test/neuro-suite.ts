import { afterEach } from "bun:test";
import type { NeuroServing } from "../lib/services/neuro/server.ts";
import { boot, type Booted, type BootOptions, turn, until } from "./kit.ts";

/** A message of the server. */
export interface Told {
  readonly command: string;
  readonly data?: any;
}

/** A game in the test's hands. */
export interface TestGame {
  readonly socket: WebSocket;
  readonly name: string;
  /** Frames that have come and have not been taken by `next`, as they came. */
  readonly frames: string[];
  /** Resolves with the code and the reason that it was closed with. */
  readonly closed: Promise<[code: number, reason: string]>;
  send(command: string, data?: unknown): void;
  raw(frame: string | Uint8Array): void;
  register(...actions: (string | object)[]): void;
  force(names: readonly string[], more?: object): void;
  result(id: string, success: boolean, message?: string): void;
  /** The next message. */
  next(): Promise<Told>;
  /** The next message's data, which has to be an action. */
  action(): Promise<{ id: string; name: string; data?: string }>;
  close(): void;
}

let server: Booted | null = null;
const games: TestGame[] = [];
afterEach(async () => {
  for (const game of games.splice(0)) game.close();
  await server?.stop();
  server = null;
});

/** The Neuro service alone, with a random brain that thinks no time; stopped after each test. */
export async function startNeuro(section: object = {}, options: BootOptions = {}) {
  const given = { random_delay_ms: 0, ...section };
  server = await boot("neuro", { neuro: given }, options);
  return server;
}

/** What the service is, besides what every service is. */
export function serving(booted: Booted): NeuroServing {
  return booted.running("neuro") as NeuroServing;
}

/** Connects a game to the service, which has said nothing yet. */
export async function connect(
  booted: Booted,
  name?: string,
  path?: string,
  protocols?: string[],
): Promise<TestGame> {
  const more = { ...(path ? { path } : {}), ...(protocols ? { protocols } : {}) };
  const game = await dialGame(booted.port("neuro"), name, more);
  games.push(game);
  return game;
}

/** Connects a game to a port. */
export async function dialGame(
  port: number,
  name = "Test Game",
  { path = "/", protocols = [] as string[], tls = false } = {},
): Promise<TestGame> {
  const url = `${tls ? "wss" : "ws"}://127.0.0.1:${port}${path}`;
  const socket = new WebSocket(url, { protocols, tls: { rejectUnauthorized: false } } as never);
  const frames: string[] = [];
  const closed = Promise.withResolvers<[number, string]>();
  let isClosed = false;
  socket.onmessage = ({ data }) => {
    frames.push(typeof data === "string" ? data : "(binary)");
  };
  socket.onclose = ({ code, reason }) => {
    isClosed = true;
    closed.resolve([code, reason]);
  };
  const send = (command: string, data?: unknown) =>
    socket.send(JSON.stringify({ command, game: name, ...(data === undefined ? {} : { data }) }));
  const next = async () => {
    await until(() => frames.length > 0 || isClosed);
    if (frames.length === 0) throw new Error("the connection has ended");
    return JSON.parse(frames.shift() as string) as Told;
  };
  const game: TestGame = {
    socket,
    name,
    frames,
    closed: closed.promise,
    send,
    next,
    raw: (frame) => void socket.send(frame),
    register(...actions) {
      const full = actions.map((one) =>
        typeof one === "string" ? { name: one, description: `Does ${one}.` } : one,
      );
      send("actions/register", { actions: full });
    },
    force: (names, more = {}) =>
      send("actions/force", { query: "Go.", action_names: names, ...more }),
    result: (id, success, message) => send("action/result", { id, success, message }),
    async action() {
      const { command, data } = await next();
      if (command !== "action") throw new Error(`it is no action: ${command}`);
      return data;
    },
    close: () => socket.close(),
  };
  await until(() => socket.readyState !== WebSocket.CONNECTING);
  return game;
}

/** Connects a game that has said startup and registered these actions. */
export async function enter(
  booted: Booted,
  name = "Test Game",
  actions: readonly (string | object)[] = ["a", "b"],
): Promise<TestGame> {
  const game = await connect(booted, name);
  game.send("startup");
  await game.next();
  game.register(...actions);
  await until(() => gameOf(booted, name)?.actions.length === actions.length);
  return game;
}

/** The game of a name, as the server has it; the one that came last. */
export function gameOf(booted: Booted, name = "Test Game") {
  return [...serving(booted).games].findLast((one) => one.name === name);
}

/** The names of what a game's developer has been told, sorted, with how often. */
export function toldOf(booted: Booted, name = "Test Game"): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { diagnostic, times } of serving(booted).reports.of(name).toReversed()) {
    found[diagnostic.name] = (found[diagnostic.name] ?? 0) + times;
  }
  return found;
}

/** Some turns of the event loop, for what must not happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}
