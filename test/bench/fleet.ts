import { STAMP_DIGITS, STAMP_MARK, stampNow, type Wire } from "./wire.ts";

const MARK = STAMP_MARK.charCodeAt(0);

/** One connection of the generator. */
export interface Member {
  socket: Bun.Socket<Member>;
  /** Bytes received since the greeting ended. */
  bytes: number;
  /** Bytes that `bytes` must show once all that was published has arrived. */
  owed: number;
  /** The text that came during the greeting; null once the server is ready. */
  greeting: string | null;
  /** True if its bytes count: not for a connection that only publishes. */
  listens: boolean;
  /** True if its bytes bring the fleet's goal nearer. */
  awaited: boolean;
  /** Latencies in microseconds, of members that look at what they receive. */
  samples: number[] | null;
  /** Called when a socket that was full takes bytes again. */
  onDrain: (() => void) | null;
}

/** Connections of one process to one server. */
export class Fleet {
  readonly listeners: Member[] = [];
  /** Connections that only publish; several where each server needs one of its own. */
  readonly publishers: Member[] = [];
  /** Bytes received by all listeners together. */
  received = 0;
  /** Bytes received by the listeners that are awaited; by default these are all. */
  heard = 0;
  /** Calls `onGoal` when `heard` comes to this. */
  goal = Infinity;
  onGoal: () => void = () => {};
  /** Called once when the server closes a connection that should live. */
  onLoss: (reason: string) => void = () => {};
  private closing = false;
  private connects = 0;

  constructor(
    readonly wire: Wire,
    readonly ports: readonly number[],
  ) {}

  /**
   * Opens `count` listeners, at most 128 at a time, and then the connections that
   * publish. They come last because servers accept in order: when the publisher
   * is in, every listener is. Rejects when greetings stay away.
   */
  async open(count: number, publishers: number): Promise<void> {
    let left = count;
    const open = async (): Promise<void> => {
      while (left > 0) {
        left--;
        this.listeners.push(await this.connect(true));
      }
    };
    await Promise.all(Array.from({ length: 128 }, open));
    for (let i = 0; i < publishers; i++) this.publishers.push(await this.connect(false));
    await this.greetings();
  }

  /** Publishes until something has come to all listeners, and begins to count once no more comes. */
  async gather(): Promise<void> {
    const [publisher] = this.publishers;
    if (publisher === undefined) throw new Error("a room of several servers needs a publisher");
    const end = performance.now() + 10_000;
    while (this.listeners.some(({ bytes }) => bytes === 0)) {
      if (performance.now() > end) throw new Error("not all listeners were reached in 10 s");
      publisher.socket.write(this.wire.publish("is everybody there?"));
      await Bun.sleep(50);
    }
    for (let before = -1; before !== this.received; await Bun.sleep(300)) before = this.received;
    for (const member of this.listeners) member.bytes = 0;
    this.received = 0;
    this.heard = 0;
  }

  close(): void {
    this.closing = true;
    for (const member of this.listeners) member.socket.terminate();
    for (const member of this.publishers) member.socket.terminate();
  }

  /** The first listener that has not exactly what it is owed, in words; null if none. */
  discrepancy(): string | null {
    const wrong = this.listeners.filter((member) => member.bytes !== member.owed);
    const first = wrong[0];
    if (first === undefined) return null;
    return `${wrong.length} of ${this.listeners.length} listeners have the wrong bytes, the first ${first.bytes} instead of ${first.owed}`;
  }

  private async connect(listens: boolean): Promise<Member> {
    const hello = this.wire.greeting(listens);
    const member: Member = {
      socket: undefined as unknown as Bun.Socket<Member>,
      bytes: 0,
      owed: 0,
      greeting: hello === "" ? null : "",
      listens,
      awaited: listens,
      samples: null,
      onDrain: null,
    };
    member.socket = await Bun.connect<Member>({
      hostname: "127.0.0.1",
      port: this.ports[this.connects++ % this.ports.length] as number,
      data: member,
      socket: this.events,
    });
    if (hello !== "") member.socket.write(hello);
    return member;
  }

  private readonly events: Bun.SocketHandler<Member> = {
    data: (socket, chunk) => {
      const member = socket.data;
      if (member.greeting !== null) return this.greet(member, chunk);
      if (!member.listens) return;
      member.bytes += chunk.length;
      this.received += chunk.length;
      if (member.samples !== null) sample(member.samples, chunk);
      if (!member.awaited) return;
      this.heard += chunk.length;
      if (this.heard >= this.goal) this.onGoal();
    },
    drain: (socket) => socket.data.onDrain?.(),
    close: (socket) => {
      if (!this.closing) {
        const what = socket.data.listens ? "listener" : "publisher";
        this.onLoss(`the server closed a ${what}`);
      }
    },
    error() {},
  };

  private greet(member: Member, chunk: Buffer): void {
    member.greeting += chunk.toString("latin1");
    const text = member.greeting ?? "";
    const answer = this.wire.answer(text);
    if (answer !== null) member.socket.write(answer);
    if (this.wire.greeted(text)) member.greeting = null;
  }

  private async greetings(): Promise<void> {
    const all = [...this.listeners, ...this.publishers];
    const end = performance.now() + 10_000;
    while (all.some((member) => member.greeting !== null)) {
      if (performance.now() > end) {
        const late = all.find((member) => member.greeting !== null);
        throw new Error(`a greeting was not answered in 10 s: ${late?.greeting}`);
      }
      await Bun.sleep(5);
    }
  }
}

/** Adds the age of every message in `chunk`; one split between chunks is left out. */
function sample(samples: number[], chunk: Buffer): void {
  const now = stampNow();
  let at = chunk.indexOf(MARK);
  while (at >= 0 && at + STAMP_DIGITS < chunk.length) {
    samples.push(now - Number(chunk.toString("latin1", at + 1, at + 1 + STAMP_DIGITS)));
    at = chunk.indexOf(MARK, at + 1);
  }
}
