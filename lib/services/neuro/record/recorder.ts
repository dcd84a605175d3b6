import { version } from "../../../../package.json";
import { reasonOf } from "../../../config/reason.ts";
import type { Config } from "../../../config/table.ts";
import { within } from "../../../host/clock.ts";
import { beginning } from "../../../host/content.ts";
import { type Fault, messageOf, StartError } from "../../../host/errors.ts";
import { folderTrouble } from "../../../host/files/folder.ts";
import { Seldom } from "../../../host/seldom.ts";
import type { Health } from "../../../host/service.ts";
import type { Playing } from "../brains/brain.ts";
import { shown } from "../diagnostics.ts";
import type { Beside } from "../beside.ts";
import type { NeuroHost } from "../server-parts.ts";
import type { SessionEvent } from "../session/events.ts";
import type { Frame, Stage, Watcher } from "../watch/stage.ts";
import { rounded, Timeline } from "../watch/timeline.ts";
import { recordName, roomFor } from "./folder.ts";
import { type Head, type Line, RECORD_VERSION, type RecordEnd } from "./lines.ts";
import { Recording } from "./recording.ts";

const FLUSH_MS = 250;
/** Characters that wait until the game has said its name. */
const MOST_WAITING = 2 ** 16;
const LONGEST_NAME = 200;
/** After the disk has refused one, a record is not begun for so long. */
const PAUSE_MS = 10_000;

/** The settings of records. */
export type RecordSettings = Pick<Config["neuro"], "record" | "record_file_bytes" | "record_files">;

/** The session of one connection. */
interface Session {
  readonly id: number;
  /** Clock milliseconds. */
  readonly since: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly timeline: Timeline;
  /** Lines that wait for the file to be begun. */
  waiting: string[];
  waitingLength: number;
  hasSpoken: boolean;
  /** null before there is a file. */
  recording: Recording | null;
}

/** The faults of the folder that records go to. */
export function recordFaults({ record }: RecordSettings): readonly Fault[] {
  const trouble = record === "" ? null : folderTrouble(record);
  if (trouble === null) return [];
  return [{ key: "neuro.record", message: `cannot record in ${record}: ${trouble}` }];
}

/** Records the session of each connection in a file of its own, within bounds. */
export class Recorder implements Beside {
  readonly addresses = [];
  readonly #host: NeuroHost;
  readonly #stage: Stage;
  readonly #sessions = new Map<number, Session>();
  /** Files that are being closed. */
  readonly #closing = new Map<Recording, Promise<void>>();
  readonly #seldom: Seldom;
  readonly #stopFlushing: () => void;
  #settings: RecordSettings;
  #stopWatching: (() => void) | null = null;
  /** Why the disk refuses records, in words; null while it takes them. */
  #trouble: string | null = null;
  #notBefore = 0;
  /** How a record ends whose connection does. */
  #endsAs: RecordEnd = "closed";
  /** Bytes of the files that are closed. */
  #bytes = 0;

  /** @throws StartError when the folder will not do */
  constructor(settings: RecordSettings, host: NeuroHost, stage: Stage) {
    this.#host = host;
    this.#stage = stage;
    this.#settings = settings;
    this.#seldom = new Seldom(host.clock, (what, more) => {
      host.log.info(`neuro: ${more} more times: ${what ?? "something of records"}`);
    });
    this.configure(settings);
    this.#stopFlushing = host.clock.every(FLUSH_MS, () => {
      for (const { recording } of this.#sessions.values()) recording?.flush();
    });
  }

  /**
   * Takes other settings, for connections that come from now on.
   * @throws StartError when the folder will not do; everything stays as it was
   */
  configure(settings: RecordSettings): void {
    const faults = recordFaults(settings);
    if (faults.length > 0) throw new StartError(faults);
    this.#settings = settings;
    this.#notBefore = 0;
    if (settings.record === "") {
      this.#stop("stopped");
      this.#trouble = null;
    } else this.#stopWatching ??= this.#stage.watch(this.#watcher());
  }

  health(): Health {
    const why = this.#trouble;
    return why === null
      ? { ok: true, reason: "recording" }
      : { ok: false, reason: `cannot record: ${why}` };
  }

  stats(): Record<string, number> {
    const open = this.#open;
    return {
      recording: open.length,
      recorded_bytes: open.reduce((sum, { bytes }) => sum + bytes, this.#bytes),
    };
  }

  stops(): void {
    this.#endsAs = "stopped";
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#stop("stopped");
    this.#stopFlushing();
    await within(this.#host.clock, deadlineMs, Promise.all(this.#closing.values()));
    this.#seldom.close();
  }

  #stop(why: RecordEnd): void {
    this.#stopWatching?.();
    this.#stopWatching = null;
    for (const session of this.#sessions.values()) this.#end(session, why);
  }

  // --- what happens

  #watcher(): Watcher {
    return {
      connection: (id, isHere) => {
        if (isHere) this.#begin(id);
        else this.#gone(id);
      },
      game: ({ clientId, name }, isHere) => {
        const session = this.#sessions.get(clientId);
        if (isHere && session?.recording === null) this.#record(session, name);
      },
      frame: (frame) => this.#frame(frame),
      event: (playing, event) => this.#event(playing, event),
    };
  }

  #begin(id: number): void {
    const { clock } = this.#host;
    const [since, at] = [clock.now(), clock.wall()];
    const timeline = new Timeline();
    const empty = { waiting: [], waitingLength: 0, hasSpoken: false, recording: null };
    this.#sessions.set(id, { id, since, at, timeline, ...empty });
  }

  #gone(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    // One that has said nothing is none: whoever looks whether the port is open connects, too.
    if (session.recording === null && session.hasSpoken) this.#record(session, "");
    this.#end(session, this.#endsAs);
  }

  #frame({ clientId, direction, text }: Frame): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    if (direction === "in") session.hasSpoken = true;
    this.#add(session, { kind: direction, ms: this.#ms(session), text });
  }

  #event({ clientId, name: game }: Playing, event: SessionEvent): void {
    const session = this.#sessions.get(clientId);
    const moment = session?.timeline.momentOf(event, this.#host.clock.now());
    if (!session || !moment) return;
    this.#add(session, { ...moment, ms: this.#ms(session), game });
  }

  // --- files

  #add(session: Session, line: Line): void {
    const { recording } = session;
    const text = JSON.stringify(line);
    if (recording === null) {
      session.waiting.push(text);
      session.waitingLength += text.length;
      if (session.waitingLength > MOST_WAITING) this.#record(session, "");
    } else if (!recording.add(text, line.ms)) this.#full(session, recording);
  }

  #full(session: Session, { path }: Recording): void {
    const what = "a record is full, and ends before its session";
    if (this.#seldom.isFirst(what)) this.#host.log.info(`neuro: ${what}: ${path}`);
    this.#end(session, "full");
  }

  /** Begins the file of a session with what has come so far. */
  #record(session: Session, game: string): void {
    const recording = this.#recordingOf(session, game);
    if (recording === null) return this.#forget(session);
    const head: Head = {
      kind: "record",
      version: RECORD_VERSION,
      program: `summoner ${version}`,
      at: new Date(session.at).toISOString(),
      game: beginning(game, LONGEST_NAME),
    };
    const lines = [JSON.stringify(head), ...session.waiting];
    session.recording = recording;
    session.waiting = [];
    const ms = this.#ms(session);
    if (!lines.every((line) => recording.add(line, ms))) this.#full(session, recording);
  }

  /** A file for a session; null when that is not possible, which has been told. */
  #recordingOf({ id, at }: Session, game: string): Recording | null {
    const { clock, log } = this.#host;
    if (this.#trouble !== null && clock.now() < this.#notBefore) return null;
    const { record: folder, record_files: most, record_file_bytes: mostBytes } = this.#settings;
    const busy = new Set(this.#open.map((one) => one.path));
    try {
      const hasRoom = busy.size < this.#mostAtOnce;
      const path = hasRoom ? roomFor(folder, recordName(at, id, game), most, busy) : null;
      if (path === null) {
        const what = `a session is not recorded, as ${busy.size} others are`;
        if (this.#seldom.isFirst(what)) log.warning(`neuro: ${what}: that of ${shown(game)}`);
        return null;
      }
      return new Recording(path, {
        clock,
        mostBytes,
        written: () => this.#written(),
        failed: ({ path: failing }, why) => this.#failed(failing, why),
      });
    } catch (error) {
      this.#failed(folder, error instanceof StartError ? messageOf(error) : reasonOf(error));
      return null;
    }
  }

  /** So many files are written at once, since each takes a descriptor that connections may need. */
  get #mostAtOnce(): number {
    return Math.max(1, this.#host.files.limit >> 5);
  }

  /** The files that are written to, or being closed. */
  get #open(): readonly Recording[] {
    const open = [...this.#sessions.values()].flatMap(({ recording }) => recording ?? []);
    return [...open, ...this.#closing.keys()];
  }

  #end(session: Session, why: RecordEnd): void {
    const { recording } = session;
    this.#forget(session);
    if (recording === null) return;
    recording.end(this.#ms(session), why);
    const closed = recording.close().finally(() => {
      this.#closing.delete(recording);
      this.#bytes += recording.bytes;
    });
    this.#closing.set(recording, closed);
  }

  #forget({ id }: Session): void {
    this.#sessions.delete(id);
  }

  // --- the disk

  /** Nothing more is recorded of any session: on a disk that is full none would be whole. */
  #failed(path: string, why: string): void {
    const isFirst = this.#trouble === null;
    this.#trouble = why;
    this.#notBefore = this.#host.clock.now() + PAUSE_MS;
    for (const session of this.#sessions.values()) {
      if (session.recording !== null) this.#end(session, "stopped");
    }
    if (!isFirst) return;
    this.#host.log.error(`neuro: recording stops, cannot write ${path}: ${why}`);
  }

  #written(): void {
    if (this.#trouble === null) return;
    this.#trouble = null;
    this.#host.log.error("neuro: recording again; sessions that were here before are not recorded");
  }

  #ms({ since }: Session): number {
    return rounded(this.#host.clock.now() - since);
  }
}
