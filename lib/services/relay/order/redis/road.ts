import { messageOf, StartError } from "../../../../host/errors.ts";
import type { Clock } from "../../../../host/clock.ts";
import type { Log } from "../../../../host/log.ts";
import type { Batch, Road, RoadEnd } from "../batch.ts";
import type { RoomBar } from "../order.ts";
import type { ServerAddress } from "./address.ts";
import { Arrivals } from "./arrivals.ts";
import { RoomBars } from "./bars.ts";
import { Delays } from "./delays.ts";
import { joinRoom } from "./join.ts";
import { Kicks } from "./kicks.ts";
import { Link, ScriptUnknown } from "./link.ts";
import { Nodes } from "./nodes.ts";
import { BEAT_MS, Pulse } from "./pulse.ts";
import { Reading } from "./reading.ts";
import { type Keys, UNKNOWN } from "./script.ts";
import { type Sent, SentEntries } from "./sent.ts";
import { Self, type SelfSource } from "./self.ts";
import { Trouble } from "./trouble.ts";

/** Milliseconds for which a node has to lag until the senders of all nodes wait for it, and between two looks. */
const [BEHIND_MS, LOOK_MS] = [60, 20];
/** Milliseconds between two attempts to connect: the first, and the most. */
const [FIRST_WAIT_MS, MOST_WAIT_MS] = [100, 3000];
/** How often in a second this node may have to join again before that counts as trouble. */
const MOST_JOINS = 5;

export interface RoadSettings {
  readonly server: ServerAddress;
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
  /** Tells this run of the node from all others: nothing of an earlier one is mixed up with it. */
  readonly life = Buffer.from(crypto.getRandomValues(new Uint8Array(9))).toString("base64url");
  readonly nodes = new Nodes();
  readonly delays = new Delays();
  readonly trouble: Trouble;
  #self!: Self;
  /** The name that this node should have. */
  wanted = "";
  readonly counts = { batches: 0, pauses: 0 };
  readonly #settings: RoadSettings;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #sent = new SentEntries();
  readonly #kicks: Kicks;
  readonly #reading: Reading;
  #end!: RoadEnd;
  #arrivals!: Arrivals;
  #link: Link | null = null;
  /** Counts links and joins: answers to what was sent before the last one say nothing. */
  #turn = 0;
  #isOpen = false;
  #isEnded = false;
  /** Lines that were found to have reached the room when it was left. */
  #reached = 0;
  #waitMs = FIRST_WAIT_MS;
  #pulse = new Pulse();
  /** The end is open: the server is there, and no node lags. */
  #passes = false;
  #joins = 0;
  /** Words of other nodes were missed: the next sign of life asks for what is in force. */
  #hasMissed = false;
  readonly #stops: (() => void)[] = [];

  constructor(settings: RoadSettings, keys: Keys, { clock, log }: { clock: Clock; log: Log }) {
    this.#settings = settings;
    this.#keys = keys;
    this.#clock = clock;
    this.#kicks = new Kicks(clock);
    this.trouble = new Trouble(settings.room, settings.server.shown, clock, log);
    this.#reading = new Reading(
      () => this.#end.resting,
      (found) => this.#arrivals.take(found),
      () => clock.now(),
    );
  }

  // --- the end's side

  open(end: RoadEnd): void {
    this.#end = end;
    const now = () => this.#clock.now();
    this.#arrivals = new Arrivals(
      this.life,
      end,
      { sent: this.#sent, nodes: this.nodes, bars: new RoomBars(), kicks: this.#kicks },
      {
        settled: (sent) => this.#settled(sent),
        seen: () => this.#seen(),
        foreign: (why) => this.trouble.foreign(why),
        lost: (lines) => {
          this.trouble.lost(lines);
          end.lost(lines);
        },
        heard: () => this.#pass(),
        missed: () => (this.#hasMissed = true),
        kick: (id, ask, life) => void this.#kickHere(id, ask, life),
      },
      () => this.#settings.mostLine(),
      now,
    );
  }

  get elsewhere(): number {
    return this.nodes.clients(this.#clock.now());
  }

  append(batch: Batch): void {
    this.#send(this.#sent.putBatch(batch, this.#clock.now()));
  }

  bar(bar: RoomBar): void {
    this.#put("bar", JSON.stringify(bar), RoomBars.more(bar));
  }

  lift(key: string): void {
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

  /**
   * Joins the room.
   * @param place the node's name where none is set
   * @throws StartError when the server cannot be reached and that is not waited for, or the name is taken
   */
  async join(source: SelfSource, place: string): Promise<void> {
    this.wanted = this.#settings.node || place;
    this.#self = new Self(source, this.wanted, this.#clock, this.delays);
    this.#stops.push(
      this.#clock.every(BEAT_MS, () => this.#beat()),
      this.#clock.every(LOOK_MS, () => this.#look()),
    );
    try {
      await this.#connect(true);
    } catch (error) {
      if (error instanceof StartError) throw error;
      const reason = messageOf(error);
      const { server, wait } = this.#settings;
      if (!wait) {
        const message = `${server.shown} cannot be used: ${reason}`;
        throw new StartError([{ key: "cluster.url", message }]);
      }
      this.#broken(reason, this.#turn);
    }
  }

  /** Leaves the room for good. @returns lines that were accepted and may not have reached it */
  async leave(): Promise<number> {
    this.#isEnded = true;
    for (const stop of this.#stops.splice(0)) stop();
    const link = this.#isOpen ? this.#link : null;
    this.#turn++;
    this.#sent.putMissing(this.#end.unanswered, this.#clock.now());
    // What is there already is taken for that once more.
    const all = this.#sent.after(0).map(async (sent) => {
      const answer = await link?.run(this.#asAdded(sent)).catch(() => null);
      if (typeof answer === "string" && answer !== UNKNOWN) this.#reached += sent.lines;
    });
    const bye = link?.run(["leave", this.life, ...this.#about(this.#self.name, true)]);
    await Promise.all([...all, bye?.catch(() => {})]);
    this.#link?.close();
    this.#link = null;
    this.#reading.rested();
    return this.unsettled;
  }

  /** The node that lags behind the room, for which all senders wait; null where none does. */
  get lagging(): string | null {
    return this.#self.behind ? this.#self.name : this.nodes.lagging(this.#clock.now());
  }

  /** Lines that were accepted and are not known to have reached the room. */
  get unsettled(): number {
    return this.#sent.lines - this.#sent.settled.lines - this.#reached;
  }

  /** Closes a client of any node. @throws Error when that node does not answer */
  async kick(node: string, id: number): Promise<string | null> {
    if (node === this.#self.name) return this.#self.kick(id);
    const to = this.nodes.lifeOf(node, this.#clock.now());
    if (to === null) return null;
    if (!this.#isOpen) throw new Error("the room's server is away");
    return this.#kicks.ask((ask) => this.#put("kick", JSON.stringify({ to, id, ask })));
  }

  // --- the link

  async #connect(isFirst = false): Promise<void> {
    const turn = ++this.#turn;
    const { server } = this.#settings;
    const link: Link = await Link.open(server, this.#keys, (reason, broken) => {
      if (this.#link === broken) this.#broken(reason, this.#turn);
    });
    if (this.#isEnded || turn !== this.#turn) return link.close();
    this.#link = link;
    await this.#join(link, isFirst);
    if (this.#link !== link) return;
    void this.#read(link);
  }

  async #read(link: Link): Promise<void> {
    try {
      const isCurrent = () => this.#link === link;
      const behind = () => this.#pulse.excused();
      await this.#reading.run(link, this.#settings.mostLine(), isCurrent, behind);
    } catch (error) {
      if (this.#link === link) this.#broken(messageOf(error), this.#turn);
    }
  }

  /** Makes this node known to the server, and sends what has not come back. */
  async #join(link: Link, isStrict: boolean): Promise<void> {
    const turn = ++this.#turn;
    this.#isOpen = false;
    this.#pass();
    const isFirst = this.#reading.last === "";
    const { room } = this.#settings;
    const joined = await joinRoom(room, this.wanted, isStrict, this.#clock, (strict) =>
      link.run(["join", this.life, ...this.#about(this.wanted), this.#reading.last, strict]),
    );
    if (turn !== this.#turn) return;
    this.#self.name = joined.name;
    if (isFirst) this.#reading.from(joined.id);
    else if (!joined.isThere) this.#reading.from("0-0");
    this.#arrivals.joined(joined);
    this.#pulse = new Pulse();
    this.#hasMissed = false;
    this.#isOpen = true;
    for (const sent of this.#sent.after(joined.number)) this.#send(sent);
    this.trouble.over();
    this.#pass();
  }

  /** Opens the end or closes it: senders wait while the server is away, and while a node lags. */
  #pass(): void {
    const passes = this.#isOpen && this.lagging === null;
    if (passes === this.#passes) return;
    this.#passes = passes;
    if (passes) {
      const missing = this.#sent.putMissing(this.#end.unanswered, this.#clock.now());
      for (const sent of missing) this.#send(sent);
    } else if (this.#isOpen) this.counts.pauses++;
    this.#end.opened(passes);
  }

  /** Arguments of the script: what this node says of itself, and the last of its entries that came back. */
  #about(name: string, leaves = false): string[] {
    const { number, lines } = this.#sent.settled;
    return [name, this.#self.told(leaves), `${number}`, `${lines}`];
  }

  /** The server does not know this node any more, or entries were missed. */
  #rejoin(): void {
    const link = this.#link;
    if (link === null || !this.#isOpen) return;
    if (++this.#joins > MOST_JOINS) return this.#broken("its stream does not last", this.#turn);
    void this.#join(link, false).catch((error) => {
      if (this.#link === link) this.#broken(messageOf(error), this.#turn);
    });
  }

  #broken(reason: string, turn: number): void {
    if (turn !== this.#turn || this.#isEnded) return;
    this.#turn++;
    this.#link?.close();
    this.#link = null;
    this.#isOpen = false;
    this.trouble.began(reason);
    this.#pass();
    this.#reading.rested();
    const again = this.#turn;
    this.#clock.after(this.#waitMs, () => {
      if (this.#isEnded || again !== this.#turn) return;
      this.#connect().catch((error) => this.#broken(messageOf(error), this.#turn));
    });
    this.#waitMs = Math.min(2 * this.#waitMs, MOST_WAIT_MS);
  }

  // --- what is sent

  #put(kind: Sent["kind"], text: string, more: readonly string[] = []): void {
    const sent = this.#sent.put(kind, text, this.#clock.now(), more);
    if (this.#isOpen) this.#send(sent);
  }

  #send(sent: Sent): void {
    this.#run(this.#asAdded(sent));
  }

  /** Arguments of the script that add an entry. */
  #asAdded({ kind, number, before, lines, text, more }: Sent): string[] {
    const numbers = [number, before, lines, this.#settings.keepBytes].map(String);
    return ["add", this.life, kind, ...numbers, text, ...more];
  }

  #run(args: readonly string[], answered: (answer: unknown) => void = () => {}): void {
    const link = this.#link;
    if (link === null) return;
    const turn = this.#turn;
    link.run(args).then(
      (answer) => {
        if (turn !== this.#turn) return;
        if (answer === UNKNOWN) this.#rejoin();
        else answered(answer);
      },
      (error) => {
        if (turn !== this.#turn) return;
        if (error instanceof ScriptUnknown) this.#rejoin();
        else this.#broken(messageOf(error), turn);
      },
    );
  }

  #settled(sent: Sent): void {
    if (sent.kind !== "lines") return;
    this.counts.batches++;
    this.delays.add(this.#clock.now() - sent.at);
    this.#end.own();
  }

  #beat(): void {
    this.#self.looked(this.#sent.lines);
    this.#joins = 0;
    this.trouble.tellLost();
    if (!this.#isOpen) return;
    if (this.#hasMissed) return this.#rejoin();
    if (this.#end.resting) this.#pulse.excused();
    const pulse = this.#pulse;
    if (pulse.isAway) return this.#broken("it does not answer", this.#turn);
    pulse.sent();
    this.#tell();
  }

  /** Gives a sign of life. */
  #tell(): void {
    const pulse = this.#pulse;
    this.#run(["beat", this.life, this.#self.name, this.#self.told()], (answer) => {
      pulse.answered();
      if (Array.isArray(answer)) this.#self.name = `${answer[0]}`;
    });
  }

  /** A sign of life has come back. A server that breaks each connection is asked ever more seldom. */
  #seen(): void {
    this.#pulse.seen();
    if (this.#pulse.lasts) this.#waitMs = FIRST_WAIT_MS;
  }

  /** Tells the others when this node begins to lag, and when it has caught up. */
  #look(): void {
    const since = this.#reading.behindSince;
    const isBehind = since !== null && this.#clock.now() - since >= BEHIND_MS;
    if (isBehind !== this.#self.behind && this.#isOpen) {
      this.#self.behind = isBehind;
      this.#tell();
    }
    this.#pass();
  }

  async #kickHere(id: number, ask: number, to: string): Promise<void> {
    const address = await this.#self.kick(id);
    this.#put("kicked", JSON.stringify({ to, ask, address }));
  }
}
