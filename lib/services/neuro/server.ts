import type { Place } from "../../config/place.ts";
import type { LogInFile } from "../../host/log.ts";
import type { Panel } from "../../host/service/panel.ts";
import {
  type Address,
  type ClientMore,
  type ClientPage,
  type ClientQuery,
  type Health,
  openedBy,
  type Problem,
  type Running,
  type Table,
} from "../../host/service.ts";
import { Admission } from "../../net/admission.ts";
import { Clients } from "../../net/clients.ts";
import { HttpServer } from "../../net/http.ts";
import type { Answered } from "../../net/http/flights.ts";
import { Pinned } from "../../net/outbox.ts";
import { clientTroubles } from "../../net/clients/troubles.ts";
import { type WebSocketProtocol, WebSockets } from "../../net/websocket.ts";
import { Besides } from "./beside.ts";
import type { Brain } from "./brains/brain.ts";
import { FULL, NeuroClient } from "./client.ts";
import { idMaker } from "./session/client.ts";
import { decode } from "./codec/decode.ts";
import { reregisterAllCommand, startupCommand, voiceUnavailableCommand } from "./codec/encode.ts";
import { Memory } from "./context.ts";
import { Counts, tableOf } from "./watch/counts.ts";
import { DECLARED } from "./watch/declared.ts";
import { type Diagnostic, diagnose, secondsOf, shown } from "./diagnostics.ts";
import type { SessionEvent } from "./session/events.ts";
import { chosenBy, Game } from "./game.ts";
import { forGames, GAMES_DOOR } from "./http/games-door.ts";
import { type Command, MOST_GAMES } from "./protocol.ts";
import { Reports } from "./watch/reports.ts";
import type { NeuroParts } from "./server-parts.ts";
import type { NeuroSettings } from "./settings.ts";
import { SILENT_MS, Silent } from "./silent.ts";
import { Speech } from "./speech.ts";
import { type Stage, type Watcher, Watchers } from "./watch/stage.ts";
import { lineOf } from "./watch/traffic.ts";
import { Queues } from "./turns.ts";

/** The server of the Neuro API: games on WebSockets, each played by its brain. */
export class NeuroServing implements Stage, Running {
  readonly beside = new Besides();
  readonly declared = DECLARED;
  panel?: Panel;
  readonly memory = new Memory((game) => this.#names.has(game));
  readonly reports: Reports;
  readonly #games = new Set<Game>();
  readonly #parts: NeuroParts;
  readonly #clients: Clients<NeuroClient>;
  readonly #http: HttpServer;
  readonly #counts = new Counts();
  readonly distributions = this.#counts.distributions;
  readonly #speech: Speech;
  readonly #nextId = idMaker();
  readonly #queues: Queues<Brain>;
  readonly #watchers: Watchers;
  /** The number of games of each name. */
  readonly #names = new Map<string, number>();
  /** The game that each unanswered action was sent to. */
  readonly #owners = new Map<string, Game>();
  readonly #silent: Silent;
  #settings: NeuroSettings;
  #lastGame = 0;

  /** @throws StartError when it cannot listen */
  constructor(place: Place, settings: NeuroSettings, parts: NeuroParts) {
    const { host } = parts;
    this.#settings = settings;
    this.#parts = parts;
    this.reports = new Reports(host.clock, host.log);
    this.#speech = new Speech(
      host.clock,
      () => this.#settings,
      () => this.#queues.proceed(),
    );
    this.#queues = new Queues(({ data }) => {
      this.#speech.hasten(data.priority);
      return this.#speech.isSpeaking;
    });
    this.#watchers = new Watchers((error) => host.log.bug(error, "watching games"));
    const pinned = new Pinned();
    const protocol: WebSocketProtocol<NeuroClient> = {
      create: (accepted) => new NeuroClient(accepted, pinned),
      opened: (client) => this.#opened(client),
      received: (client, bytes) => this.#received(client, bytes),
      drained: (client) => {
        if (client.waiting <= this.#settings.outboxBytes) this.#clients.resume(client, FULL);
      },
      closed: (client) => this.#closed(client),
    };
    this.#clients = new Clients(protocol, new Admission(place, host), host);
    this.#http = new HttpServer(
      place,
      GAMES_DOOR,
      (request, path, http) => this.#answer(request, path, http),
      host,
      new WebSockets(this.#clients, "text", parts.maxMessageBytes, true),
    );
    this.#silent = new Silent(host.clock, (client) => this.#askForActions(client));
  }

  // --- what others see

  get addresses(): readonly Address[] {
    return [forGames(this.#http.address), ...this.beside.addresses];
  }

  get games(): ReadonlySet<Game> {
    return this.#games;
  }

  watch(watcher: Watcher): () => void {
    return this.#watchers.add(watcher);
  }

  stats(): Record<string, number> {
    const own = this.#counts.stats(this.#games, this.reports.counts);
    return { ...this.#clients.stats(), ...own, ...this.beside.stats() };
  }

  health(): Health {
    const listening = this.#http.health();
    if (!listening.ok) return listening;
    const beside = this.beside.health();
    if (!beside.ok) return beside;
    const { trouble } = this.#parts.brains;
    return trouble === null ? listening : { ok: false, reason: trouble };
  }

  problems(): readonly Problem[] {
    const { clock } = this.#parts.host;
    return clientTroubles(this.#clients.all, clock.now(), this.#settings.outboxBytes);
  }

  clients(query: ClientQuery): ClientPage {
    return this.#clients.page(query);
  }

  client(id: number): ClientMore | null {
    return this.#clients.more(id);
  }

  kick(id: number): string | null {
    return this.#clients.kick(id, "");
  }

  tables(): readonly Table[] {
    return [tableOf(this.#games)];
  }

  /** Takes another place and settings. @throws Error when TLS does not work; everything stays as it was */
  configure(place: Place, settings: NeuroSettings): void {
    this.#http.configure(place, GAMES_DOOR);
    this.#settings = settings;
  }

  started(): void {
    const [address] = this.addresses;
    this.#parts.brains.start(openedBy(address as Address));
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#silent.stop();
    this.beside.stops();
    const cut = this.#http.drain(deadlineMs);
    await this.#clients.drain(deadlineMs, "");
    await cut;
    await this.beside.drain(deadlineMs);
    this.#speech.stop();
    this.reports.close();
    this.#parts.brains.stop();
  }

  // --- connections

  #answer(request: Request, path: string, http: HttpServer): Answered | Promise<Answered> {
    const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    const other = isUpgrade ? null : (this.#parts.route?.(request, path, http) ?? null);
    return other ?? http.upgrade(request, path);
  }

  #opened(client: NeuroClient): void {
    if (client.isVoice) return;
    this.#watchers.tell((one) => one.connection?.(client.id, true));
    if (this.#settings.reregister === "always") this.#send(client, reregisterAllCommand());
    else this.#silent.add(client);
  }

  #askForActions(client: NeuroClient): void {
    if (this.#settings.reregister !== "auto") return;
    this.#tell(null, diagnose("reregister", { seconds: secondsOf(SILENT_MS) }));
    this.#send(client, reregisterAllCommand());
  }

  #closed(client: NeuroClient): void {
    this.#silent.delete(client);
    for (const game of client.games.values()) {
      this.#games.delete(game);
      const others = (this.#names.get(game.name) ?? 1) - 1;
      if (others > 0) this.#names.set(game.name, others);
      else this.#names.delete(game.name);
      this.#logOf(game).info(`neuro: ${shown(game.name)} has gone, from ${client.address}`);
      game.disconnected();
      game.changed("gone");
      this.#watchers.tell((one) => one.game?.(game, false));
    }
    client.games.clear();
    if (!client.isVoice) this.#watchers.tell((one) => one.connection?.(client.id, false));
  }

  #received(client: NeuroClient, bytes: Buffer): number {
    client.messagesIn++;
    client.lastMessageAt = this.#parts.host.clock.now();
    this.#counts.messages++;
    const { commands, diagnostics } = decode(bytes);
    this.#framed(client, "in", () => bytes.toString());
    if (client.isVoice) this.#voice(client, commands);
    else {
      this.#silent.delete(client);
      const game = this.#gameOf(client, commands);
      if (client.otherKind > client.binaryTold) {
        client.binaryTold = client.otherKind;
        this.#tell(game, diagnose("binary_frame", {}));
      }
      for (const diagnostic of diagnostics) this.#tell(game, diagnostic);
      for (const command of commands) this.#take(client, command);
    }
    if (client.waiting > this.#settings.outboxBytes) client.hold(FULL);
    return bytes.length;
  }

  /** The game that a frame is of, as far as that can be told. */
  #gameOf(client: NeuroClient, [first]: readonly Command[]): Game | string | null {
    if (first !== undefined) return client.games.get(first.game) ?? first.game;
    const [only, ...others] = client.games.values();
    return only !== undefined && others.length === 0 ? only : null;
  }

  #voice(client: NeuroClient, commands: readonly Command[]): void {
    const start = commands.find((one) => one.command === "other" && one.name === "voice/start");
    if (start === undefined) return;
    this.#tell(start.game, diagnose("voice", {}));
    this.#send(client, voiceUnavailableCommand());
    this.#clients.close(client, "eof");
  }

  #take(client: NeuroClient, command: Command): void {
    let game = client.games.get(command.game);
    if (game === undefined) {
      // What a vendor has of its own opens no session.
      if (command.command === "other") return;
      if (client.games.size >= MOST_GAMES) {
        const what = { most: MOST_GAMES, game: shown(command.game) };
        this.#tell(null, diagnose("too_many_games", what));
        return;
      }
      game = this.#begin(client, command);
    }
    game.take(command);
  }

  #begin(client: NeuroClient, { game: name, command }: Command): Game {
    const { host, brains, choose = chosenBy } = this.#parts;
    const brain = brains.of(name);
    const id = ++this.#lastGame;
    const game = new Game(name, brain, {
      id,
      room: client.room,
      clientId: client.id,
      address: client.address,
      sessionId: `${client.id}-${id}`,
      nextId: this.#nextId,
      clock: host.clock,
      settings: () => this.#settings,
      turns: this.#queues.of(brain),
      choose,
      acknowledgement: (sessionId) =>
        this.#settings.acknowledges ? startupCommand(sessionId, this.#settings.character) : null,
      send: (frame) => this.#send(client, frame),
      happened: (one, event) => this.#happened(one, event),
      ownerOf: (action) => this.#owners.get(action)?.name ?? null,
      say: (one, text) => this.#speech.say(text, one),
      failed: (_one, error) => this.#clients.failed(client, error),
      close: (abruptly) => {
        if (abruptly) this.#clients.cut(client, "reset");
        else this.#clients.close(client, "eof");
      },
    });
    const others = this.#names.get(name) ?? 0;
    this.#names.set(name, others + 1);
    client.games.set(name, game);
    this.#games.add(game);
    this.#logOf(game).info(
      `neuro: ${shown(name)} is here, from ${client.address}, played by ${brain.name}`,
    );
    this.#watchers.tell((one) => one.game?.(game, true));
    game.changed("here");
    if (command !== "startup") {
      game.tell(diagnose("no_startup", { game: shown(name), command }));
    }
    if (others > 0) game.tell(diagnose("game_twice", { game: shown(name) }));
    return game;
  }

  #send(client: NeuroClient, frame: string): void {
    client.send(frame);
    this.#framed(client, "out", () => frame);
  }

  #framed({ id }: NeuroClient, direction: "in" | "out", text: () => string): void {
    if (!this.#watchers.readFrames) return;
    const frame = { clientId: id, direction, text: text() };
    this.#watchers.tell((one) => one.frame?.(frame));
  }

  // --- what happens

  /** Where it is logged what happens in a game. */
  #logOf({ brain }: Game): LogInFile {
    const { log } = this.#parts.host;
    return brain.showsGames ? log.inFile : log;
  }

  /** Tells the developer of a game something, or of a connection whose game is not known. */
  #tell(game: Game | string | null, diagnostic: Diagnostic): void {
    if (game instanceof Game) game.tell(diagnostic);
    else this.reports.add(game, diagnostic);
  }

  #happened(game: Game, event: SessionEvent): void {
    this.#counts.happened(event);
    switch (event.kind) {
      case "diagnostic":
        this.reports.add(game.name, event.diagnostic, this.#logOf(game));
        break;
      case "context":
        this.memory.add(game.name, event.entry);
        break;
      case "action":
        this.#owners.set(event.action.id, game);
        break;
      case "result":
        this.#owners.delete(event.action.id);
        break;
      case "registered":
        if (this.#settings.sharesNames) this.#compareNames(game, event.names);
        game.changed("actions");
        break;
      case "unregistered":
      case "startup":
        game.changed("actions");
        break;
    }
    const line = lineOf(event);
    if (line !== null) {
      this.#logOf(game).record(() => `neuro: ${shown(game.name)}: ${line()}`);
    }
    this.#watchers.tell((one) => one.event?.(game, event));
  }

  /** Tells games of names that another one has too. */
  #compareNames(game: Game, names: readonly string[]): void {
    let told = 0;
    for (const other of this.#games) {
      for (const name of game.sharedWith(other, names)) {
        if (++told > MOST_SHARED) return;
        const action = shown(name);
        game.tell(diagnose("name_shared", { action, other: shown(other.name) }));
        other.tell(diagnose("name_shared", { action, other: shown(game.name) }));
      }
    }
  }
}

/** Names of one registration that are told of as those of other games too. */
const MOST_SHARED = 100;
