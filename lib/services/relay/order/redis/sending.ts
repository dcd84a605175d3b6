import type { Batch } from "../batch.ts";
import type { Connection } from "./server/connection.ts";
import type { Kind } from "./entry.ts";
import { Life } from "./life.ts";
import type { Link } from "./server/link.ts";
import { HAD, UNKNOWN } from "./script.ts";
import { type Sent, SentEntries } from "./sent.ts";

/** Sends the entries of this node, again where that has to be, under the life that it has. */
export class Sending {
  readonly life = new Life();
  readonly entries = new SentEntries();
  readonly #connection: Connection;
  readonly #keepBytes: number;
  readonly #forged: (why: string) => void;
  /** The life under which it has joined. */
  #joinedAs = "";
  /** Lines that were found to have reached the room when it was left. */
  #reached = 0;

  /** @param forged called when somebody else has changed the number of this life */
  constructor(connection: Connection, keepBytes: number, forged: (why: string) => void) {
    this.#connection = connection;
    this.#keepBytes = keepBytes;
    this.#forged = forged;
  }

  /** The server takes entries of this node. */
  get isOpen(): boolean {
    return this.#connection.isOpen && !this.life.isEnding;
  }

  /** Lines that were accepted and are not known to have reached the room. */
  get unsettled(): number {
    return this.entries.unsettled - this.#reached;
  }

  put(kind: Kind, text: string, at: number, more: readonly string[] = []): void {
    const sent = this.entries.put(kind, text, at, more);
    if (this.isOpen) this.#send(sent);
  }

  append(batch: Batch, at: number): void {
    this.#send(this.entries.putBatch(batch, at));
  }

  /** Sends the batches that are not here yet. */
  appendMissing(batches: readonly Batch[], at: number): void {
    for (const sent of this.entries.putMissing(batches, at)) this.#send(sent);
  }

  /** The arguments of the script to join. @param last the entry that was read last */
  asJoin(name: string, told: string, last: string, strict: string): string[] {
    this.#joinedAs = this.life.next;
    return ["join", this.life.next, ...this.#about(name, told), last, strict, this.#left];
  }

  asBeat(name: string, told: string): string[] {
    return ["beat", this.life.next, name, told];
  }

  /** The server has entries up to a number: sends it the others. */
  joined(number: number): void {
    // The life has ended while it was joining.
    if (this.#joinedAs !== this.life.next) return this.#connection.rejoin();
    const most = this.life.isEnding ? 0 : this.entries.given;
    if (number > most) this.#forged("the server has a number that this node has not reached");
    else this.#sendAfter(number);
  }

  /** The next life has begun. */
  begun(): void {
    if (this.isOpen) this.#sendAfter(0);
  }

  /** Sends all and says good-bye; what is there already is taken for that once more. */
  async leave(link: Link, name: string, told: string): Promise<void> {
    // Nobody takes what is sent under a life that has ended.
    const all = this.life.isEnding ? [] : this.entries.after(0);
    const sent = all.map(async (one) => {
      if ((await link.run(this.#asAdded(one))) !== UNKNOWN) this.#reached += one.lines;
    });
    const bye = ["leave", this.life.next, ...this.#about(name, told), "", "", this.#left];
    await Promise.allSettled([...sent, link.run(bye)]);
  }

  #sendAfter(number: number): void {
    if (this.isOpen) for (const sent of this.entries.after(number)) this.#send(sent);
  }

  #send(sent: Sent): void {
    this.entries.gives(sent);
    this.#connection.run(this.#asAdded(sent), (answer) => {
      if (answer === HAD) this.#forged("another entry has the number of one that it has sent");
      else sent.id = `${answer}`;
    });
  }

  /** Arguments of the script that add an entry. */
  #asAdded({ kind, number, before, lines, text, more }: Sent): string[] {
    const numbers = [number, before, lines, this.#keepBytes].map(String);
    return ["add", this.life.name, kind, ...numbers, text, ...more];
  }

  /** Arguments of the script: what this node says of itself, and the last of its entries that came back. */
  #about(name: string, told: string): string[] {
    const { number, lines } = this.entries.settled;
    return [name, told, ...(this.life.isEnding ? ["0", "0"] : [`${number}`, `${lines}`])];
  }

  get #left(): string {
    return this.life.left.join(" ");
  }
}
