import { messageOf, StartError } from "../../../../host/errors.ts";
import type { Clock } from "../../../../host/clock.ts";
import { count } from "../../../../host/count.ts";
import type { Log } from "../../../../host/log.ts";
import { Seldom } from "../../../../host/seldom.ts";
import type { Batch, Road, RoadEnd } from "../batch.ts";
import type { RoomBar } from "../order.ts";
import type { ServerAddress } from "./server/address.ts";
import { Arrivals } from "./arrivals.ts";
import { Attendance } from "./nodes/attendance.ts";
import { RoomBars } from "./nodes/bars.ts";
import { Connection } from "./server/connection.ts";
import { Delays } from "./delays.ts";
import { joinRoom } from "./server/join.ts";
import type { Joined } from "./server/joined.ts";
import { Kicks } from "./nodes/kicks.ts";
import { inTime, type Link } from "./server/link.ts";
import { Nodes } from "./nodes/nodes.ts";
import { BEAT_MS, Pulse } from "./server/pulse.ts";
import { Reading } from "./server/reading.ts";
import { Lag } from "./nodes/lag.ts";
import type { Keys } from "./script.ts";
import { Sending } from "./sending.ts";
import type { Sent } from "./sent.ts";
import { Self, type SelfSource } from "./nodes/self.ts";
import { Trouble } from "./server/trouble.ts";

/** Milliseconds for which a node has to lag until the senders of all nodes wait for it, and between two looks. */
const [BEHIND_MS, LOOK_MS] = [60, 20];

export interface RoadSettings {
  /** The URL of the server without secrets. */
  readonly shown: string;
  server(): ServerAddress;
  readonly room: string;
  /** The name that this node should have; "" for that of its place. */
  readonly node: string;
  /** True if the start does not fail when the server is away. */
  readonly wait: boolean;
  readonly keepBytes: number;
  /** The longest envelope in bytes. */
  mostLine(): number;
}

/** The way to the other relays of a room by the stream of a Redis server. */
export class RedisRoad implements Road {
  readonly nodes = new Nodes();
  readonly delays = new Delays();
  readonly trouble: Trouble;
  readonly counts = { batches: 0, pauses: 0 };
  /** The name that this node should have. */
  wanted = "";
  #self!: Self;
  #lag!: Lag;
  readonly #attendance: Attendance;
  readonly #barsTold: Seldom;
  readonly #settings: RoadSettings;
  readonly #host: { readonly clock: Clock; readonly log: Log };
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #sending: Sending;
  readonly #bars = new RoomBars();
  readonly #kicks: Kicks;
  readonly #reading: Reading;
  #end!: RoadEnd;
  #arrivals!: Arrivals;
  #pulse = new Pulse();
  /** The end is open: the server is there, and no node lags. */
  #passes = false;
  /** It has been in the room. */
  #isIn = false;
  /** Words of other nodes were missed: the next sign of life asks for what is in force. */
  #hasMissed = false;
  readonly #stops: (() => void)[] = [];

  constructor(settings: RoadSettings, keys: Keys, host: { clock: Clock; log: Log }) {
    const { shown, room } = settings;
    const { clock, log } = host;
    this.#settings = settings;
    this.#host = host;
    this.#clock = clock;
    this.#kicks = new Kicks(clock);
    this.#attendance = new Attendance(room, log);
    this.#barsTold = new Seldom(clock, (_, more) =>
      this.#said(`${count(more, "more quarantine")} imposed at other nodes`),
    );
    this.trouble = new Trouble(room, shown, clock, log);
    this.#reading = new Reading(
      () => this.#end.resting,
      (found) => this.#arrivals.take(found),
      () => clock.now(),
    );
    this.#connection = new Connection(() => settings.server(), keys, clock, {
      join: (link, isStrict) => this.#join(link, isStrict),
      joined: (joined) => this.#joined(joined),
      read: (link, isCurrent) =>
        this.#reading.run(link, settings.mostLine(), isCurrent, () => this.#pulse.excused()),
      closed: (reason) => this.#closed(reason),
    });
    this.#sending = new Sending(this.#connection, settings.keepBytes, (why) => this.#forged(why));
  }

  // --- the end's side

  open(end: RoadEnd): void {
    this.#end = end;
    this.#arrivals = new Arrivals(
      this.#sending.life,
      end,
      { sent: this.#sending.entries, nodes: this.nodes, bars: this.#bars, kicks: this.#kicks },
      {
        settled: (sent) => this.#settled(sent),
        seen: () => this.#pulse.seen(),
        foreign: (why) => this.trouble.foreign(why),
        forged: (why) => {
          if (!this.#sending.life.isEnding) this.#forged(why);
        },
        begun: () => {
          this.#sending.begun();
          this.#pass();
        },
        lost: (lines) => {
          this.trouble.lost(lines);
          end.lost(lines);
        },
        heard: () => this.#pass(),
        missed: () => (this.#hasMissed = true),
        barred: ({ key, ms, why }, life) => {
          if (!this.#barsTold.isFirst("")) return;
          const [seconds, node] = [Math.ceil(ms / 1000), this.#nameOf(life)];
          this.#said(`${key} is in quarantine for ${seconds} s (${why}), imposed at ${node}`);
        },
        kick: (id, ask, life) => void this.#kickHere(id, ask, life),
      },
      () => this.#settings.mostLine(),
      () => this.#clock.now(),
    );
  }

  get elsewhere(): number {
    return this.nodes.clients(this.#clock.now());
  }

  append(batch: Batch): void {
    this.#sending.append(batch, this.#clock.now());
  }

  bar(bar: RoomBar): void {
    this.#bars.impose(bar, this.#clock.now());
    this.#put("bar", JSON.stringify(bar), RoomBars.more(bar));
  }

  lift(key: string): void {
    this.#bars.lift(key);
    this.#put("lift", key);
  }

  rested(): void {
    this.#reading.rested();
  }

  // --- the node's side

  /** The node itself; null until it begins to join. */
  get self(): Self | null {
    return this.#self ?? null;
  }

  /** The nodes that lag behind the room; null until it begins to join. */
  get lag(): Lag | null {
    return this.#lag ?? null;
  }

  /** The URL of the server without secrets, and where that is if sentinels say it. */
  get server(): string {
    const { at } = this.#connection;
    const { shown } = this.#settings;
    return at === null ? shown : `${shown} (${at})`;
  }

  /** The reason why no sentinel tells where the server is; null where one does. */
  get untold(): string | null {
    return this.#connection.untold;
  }

  /** Lines that were accepted and are not known to have reached the room. */
  get unsettled(): number {
    return this.#sending.unsettled;
  }

  /**
   * Joins the room.
   * @param place the node's name where none is set
   * @throws StartError when the server cannot be reached and that is not waited for, or the name is taken
   */
  async join(source: SelfSource, place: string): Promise<void> {
    const { node, shown, wait } = this.#settings;
    this.wanted = node || place;
    this.#self = new Self(source, this.wanted, this.#clock, this.delays);
    this.#lag = new Lag(this.#settings.room, this.#self, this.nodes, this.#host);
    this.#stops.push(
      this.#clock.every(BEAT_MS, () => this.#beat()),
      this.#clock.every(LOOK_MS, () => this.#look()),
    );
    try {
      await this.#connection.open(true);
    } catch (error) {
      if (error instanceof StartError) throw error;
      const reason = messageOf(error);
      if (wait) return this.#connection.broken(reason);
      const message = `${shown} cannot be used: ${reason}`;
      throw new StartError([{ key: "cluster.url", message }]);
    }
  }

  /** Leaves the room for good. @returns lines that were accepted and may not have reached it */
  async leave(): Promise<number> {
    for (const stop of this.#stops.splice(0)) stop();
    this.#barsTold.close();
    this.#sending.entries.putMissing(this.#end.unanswered, this.#clock.now());
    await this.#connection.end((link) =>
      this.#sending.leave(link, this.#self.name, this.#self.told(true)),
    );
    this.#reading.rested();
    return this.unsettled;
  }

  /** Closes a client of any node. @throws Error when that node does not answer */
  async kick(node: string, id: number): Promise<string | null> {
    if (node === this.#self.name) return this.#self.kick(id);
    const to = this.nodes.lifeOf(node, this.#clock.now());
    if (to === null) return null;
    if (!this.#connection.isOpen) throw new Error("the room's server is away");
    return this.#kicks.ask((ask) => this.#put("kick", JSON.stringify({ to, id, ask })));
  }

  // --- the connection

  #join(link: Link, isStrict: boolean): Promise<Joined> {
    return joinRoom(this.#settings.room, this.wanted, isStrict, this.#clock, (strict) => {
      const { last } = this.#reading;
      const join = this.#sending.asJoin(this.wanted, this.#self.told(), last, strict);
      return inTime(this.#clock, link.run(join));
    });
  }

  /** Takes over what the server knows, and sends what that has not got. */
  #joined(joined: Joined): void {
    this.#self.name = joined.name;
    if (!this.#reading.hasBegun) this.#reading.from(joined.id);
    else if (!joined.isThere) this.#reading.from("0-0");
    const again = this.#arrivals.joined(joined);
    this.#attendance.look(this.nodes.all(this.#clock.now()));
    this.#pulse = new Pulse();
    this.#hasMissed = false;
    if (!this.#isIn) {
      this.#isIn = true;
      this.#said(`this is the node ${joined.name}, ordered at ${this.server}`);
    }
    this.trouble.over(this.server);
    this.#sending.joined(joined.number);
    for (const bar of again) this.bar(bar);
    this.#pass();
  }

  #closed(reason: string | null): void {
    if (reason !== null) this.trouble.began(reason);
    this.#pass();
    if (reason !== null) this.#reading.rested();
  }

  /** Opens the end or closes it: senders wait while the server is away, and while a node lags. */
  #pass(): void {
    const { isOpen } = this.#sending;
    const passes = isOpen && this.#lag.waitedFor === null;
    if (passes === this.#passes) return;
    this.#passes = passes;
    if (passes) {
      this.#sending.appendMissing(this.#end.unanswered, this.#clock.now());
    } else if (isOpen) this.counts.pauses++;
    this.#end.opened(passes);
  }

  // --- what is sent

  #put(kind: Sent["kind"], text: string, more: readonly string[] = []): void {
    this.#sending.put(kind, text, this.#clock.now(), more);
  }

  /** Somebody else has written in the name of this node's life: it goes on under another one. */
  #forged(why: string): void {
    this.trouble.forged(why);
    this.#sending.life.end();
    this.#connection.rejoin();
  }

  #settled(sent: Sent): void {
    if (sent.kind !== "lines") return;
    this.counts.batches++;
    this.delays.add(this.#clock.now() - sent.at);
    this.#end.own();
  }

  async #kickHere(id: number, ask: number, to: string): Promise<void> {
    const address = await this.#self.kick(id);
    if (address !== null) {
      this.#said(`closed client ${id}, ${address}, as an operator asked at ${this.#nameOf(to)}`);
    }
    this.#put("kicked", JSON.stringify({ to, ask, address }));
  }

  #nameOf(life: string): string {
    return this.nodes.nameOf(life) ?? "an unknown node";
  }

  #said(text: string): void {
    this.#host.log.info(`room ${this.#settings.room}: ${text}`);
  }

  // --- the clock's work

  #beat(): void {
    const pulse = this.#pulse;
    this.#self.looked(this.#sending.entries.lines);
    this.#connection.tick(pulse.lasts);
    this.trouble.tellLost();
    if (!this.#connection.isOpen) return;
    this.#attendance.look(this.nodes.all(this.#clock.now()));
    if (this.#hasMissed) return this.#connection.rejoin();
    if (this.#end.resting) pulse.excused();
    if (pulse.isAway) return this.#connection.broken("it does not answer");
    pulse.sent();
    this.#tell();
  }

  /** Gives a sign of life. */
  #tell(): void {
    const pulse = this.#pulse;
    const beat = this.#sending.asBeat(this.#self.name, this.#self.told());
    this.#connection.run(beat, (answer) => {
      pulse.answered();
      if (Array.isArray(answer)) this.#self.name = `${answer[0]}`;
    });
  }

  /** Tells the others when this node begins to lag, and when it has caught up. */
  #look(): void {
    const since = this.#reading.behindSince;
    const isBehind = since !== null && this.#clock.now() - since >= BEHIND_MS;
    if (isBehind !== (this.#self.behindSince !== null) && this.#connection.isOpen) {
      this.#self.behindSince = isBehind ? this.#clock.now() : null;
      this.#tell();
    }
    this.#lag.look();
    this.#pass();
  }
}
