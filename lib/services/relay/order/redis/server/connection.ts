import type { Clock } from "../../../../../host/clock.ts";
import { messageOf } from "../../../../../host/errors.ts";
import type { ServerAddress } from "./address.ts";
import type { Joined } from "./joined.ts";
import { Link, ScriptUnknown } from "./link.ts";
import { type Keys, UNKNOWN } from "../script.ts";

/** Milliseconds between two attempts to connect: the first, and the most. */
const [FIRST_WAIT_MS, MOST_WAIT_MS] = [100, 3000];
/** How often in a second a node may have to join again before that counts as trouble. */
const MOST_JOINS = 5;

/** The side of a connection that it is made for. */
export interface Connected {
  /** Joins the room. @throws StartError when the name is taken @throws Error with the reason when it cannot */
  join(link: Link, isStrict: boolean): Promise<Joined>;
  /** The node is in the room, for the first time or again. */
  joined(joined: Joined): void;
  /** Reads until the link is no more the current one. @throws Error with the reason when it breaks */
  read(link: Link, isCurrent: () => boolean): Promise<void>;
  /** The connection takes nothing for now; with a reason when the server is away. */
  closed(reason: string | null): void;
}

/** The connection of a node to the server of its room, made again and again for as long as the node is there. */
export class Connection {
  readonly #server: () => ServerAddress;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #connected: Connected;
  #link: Link | null = null;
  /** Counts links and joins: answers to what was sent before the last one say nothing. */
  #turn = 0;
  #isOpen = false;
  #isEnded = false;
  #waitMs = FIRST_WAIT_MS;
  /** Joins in this second. */
  #joins = 0;
  /** The reason why no sentinel tells where the server is, at the last look; null where one does. */
  untold: string | null = null;
  /** It asks whether the server is still the right one. */
  #isLooking = false;

  /** @param server reads the settings' files anew: a password may have been changed */
  constructor(server: () => ServerAddress, keys: Keys, clock: Clock, connected: Connected) {
    this.#server = server;
    this.#keys = keys;
    this.#clock = clock;
    this.#connected = connected;
  }

  /** The node is in the room, and the server takes what it sends. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The server that sentinels have named, `host:port`; null where the settings name it, or none is there. */
  get at(): string | null {
    return this.#link?.at ?? null;
  }

  /** @param isStrict true if no other name will do @throws StartError, Error as `Connected.join` does */
  async open(isStrict = false): Promise<void> {
    const turn = ++this.#turn;
    const link: Link = await Link.open(
      this.#server(),
      this.#keys,
      this.#clock,
      (reason, broken) => {
        if (this.#link === broken) this.broken(reason);
      },
    );
    if (this.#isEnded || turn !== this.#turn) return link.close();
    this.#link = link;
    await this.#join(link, isStrict);
    if (this.#link === link) void this.#read(link);
  }

  /** The server does not know this node any more, or entries were missed. */
  rejoin(): void {
    const link = this.#link;
    if (link === null || !this.#isOpen) return;
    if (++this.#joins > MOST_JOINS) return this.broken("its stream does not last");
    void this.#join(link, false).catch((error) => {
      if (this.#link === link) this.broken(messageOf(error));
    });
  }

  /** The server is away: connects again, after a while. */
  broken(reason: string): void {
    if (this.#isEnded) return;
    const turn = ++this.#turn;
    this.#link?.close();
    this.#link = null;
    this.#isOpen = false;
    this.#connected.closed(reason);
    this.#clock.after(this.#waitMs, () => {
      if (this.#isEnded || turn !== this.#turn) return;
      this.open().catch((error) => this.broken(messageOf(error)));
    });
    this.#waitMs = Math.min(2 * this.#waitMs, MOST_WAIT_MS);
  }

  /** Runs the script, if the server is there. @param answered called with its answer unless another join comes first */
  run(args: readonly string[], answered: (answer: unknown) => void = () => {}): void {
    const turn = this.#turn;
    this.#link?.run(args).then(
      (answer) => {
        if (turn !== this.#turn) return;
        if (answer === UNKNOWN) this.rejoin();
        else answered(answer);
      },
      (error) => {
        if (turn !== this.#turn) return;
        if (error instanceof ScriptUnknown) this.rejoin();
        else this.broken(messageOf(error));
      },
    );
  }

  /** Called once a second. @param lasts true if the connection has lasted for a while */
  tick(lasts: boolean): void {
    this.#joins = 0;
    if (lasts) this.#waitMs = FIRST_WAIT_MS;
    const link = this.#link;
    if (link === null || !this.#isOpen || this.#isLooking) return;
    this.#isLooking = true;
    void link.hasMoved().then(
      (hasMoved) => {
        this.#isLooking = false;
        this.untold = null;
        if (hasMoved && this.#link === link) this.broken("its sentinels name another server");
      },
      (error) => {
        // Where none of them tells, this one is as good as any.
        this.#isLooking = false;
        this.untold = messageOf(error);
      },
    );
  }

  /** Closes it for good. @param last what is still sent by the link, if there is one */
  async end(last: (link: Link) => Promise<unknown>): Promise<void> {
    this.#isEnded = true;
    this.#turn++;
    const link = this.#link;
    this.#link = null;
    if (link !== null && this.#isOpen) await last(link);
    link?.close();
  }

  async #join(link: Link, isStrict: boolean): Promise<void> {
    const turn = ++this.#turn;
    this.#isOpen = false;
    this.#connected.closed(null);
    const joined = await this.#connected.join(link, isStrict);
    if (turn !== this.#turn) return;
    this.#isOpen = true;
    this.#connected.joined(joined);
  }

  async #read(link: Link): Promise<void> {
    try {
      await this.#connected.read(link, () => this.#link === link);
    } catch (error) {
      if (this.#link === link) this.broken(messageOf(error));
    }
  }
}
