const SILENCE_MS = 5000;
const OPENED_AT_ONCE = 128;

/** One connection of the generator. */
export interface Link {
  socket: Bun.Socket<Link>;
  /** Bytes of replies that are still to come. */
  missing: number;
  /** Called when none is missing any more. */
  answered: () => void;
  /** Looks at the bytes of a reply; null where they are only counted. */
  look: ((chunk: Buffer) => void) | null;
}

/** The generator's connections to one server. */
export class Links {
  readonly all: Link[] = [];
  private closing = false;
  private heard = false;
  private onFault: (reason: string) => void = () => {};

  /** Connects `count` times; rejects when the server refuses one. */
  async open(port: number, count: number): Promise<void> {
    let left = count;
    const connect = async (): Promise<void> => {
      while (left-- > 0) {
        const link: Link = {
          socket: undefined as unknown as Bun.Socket<Link>,
          missing: 0,
          answered: () => {},
          look: null,
        };
        const where = { hostname: "127.0.0.1", port };
        link.socket = await Bun.connect<Link>({ ...where, data: link, socket: this.events });
        this.all.push(link);
      }
    };
    await Promise.all(Array.from({ length: OPENED_AT_ONCE }, connect));
  }

  close(): void {
    this.closing = true;
    for (const { socket } of this.all) socket.terminate();
  }

  /** Writes requests that are answered by `replies` bytes. */
  ask(link: Link, requests: Buffer, from: number, to: number, replies: number): void {
    link.missing = replies;
    if (link.socket.write(requests, from, to - from) !== to - from) {
      this.onFault("a connection takes no more bytes");
    }
  }

  /** Runs `body`, which ends by `done`; rejects on a fault of any connection and on silence. */
  async guarded(body: (done: () => void) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fault = (reason: string): void => reject(new Error(reason));
    this.onFault = fault;
    const watch = setInterval(() => {
      const waiting = this.all.filter(({ missing }) => missing > 0).length;
      if (!this.heard) fault(`no reply in ${SILENCE_MS / 1000} s to ${waiting} connections`);
      this.heard = false;
    }, SILENCE_MS);
    try {
      body(resolve);
      await promise;
    } finally {
      clearInterval(watch);
    }
  }

  /** Sends requests on one connection and compares every byte of the replies. */
  verified(link: Link, requests: string, replies: string): Promise<void> {
    return new Promise((resolve) => {
      let at = 0;
      link.answered = resolve;
      link.look = (chunk) => {
        const came = chunk.toString("latin1");
        const wanted = replies.slice(at, at + came.length);
        at += came.length;
        if (came !== wanted) {
          const split = [...came].findIndex((char, i) => char !== wanted[i]);
          this.onFault(`wrong reply: ${excerpt(came, split)} instead of ${excerpt(wanted, split)}`);
        }
      };
      const bytes = Buffer.from(requests);
      this.ask(link, bytes, 0, bytes.length, replies.length);
    });
  }

  private readonly events: Bun.SocketHandler<Link> = {
    data: (socket, chunk) => {
      const link = socket.data;
      this.heard = true;
      link.look?.(chunk);
      link.missing -= chunk.length;
      if (link.missing > 0) return;
      if (link.missing < 0) return this.onFault(`${-link.missing} bytes of replies too many`);
      link.answered();
    },
    close: () => {
      if (!this.closing) this.onFault("the server closed a connection");
    },
    error() {},
  };
}

const excerpt = (text: string, at: number): string =>
  JSON.stringify(text.slice(Math.max(0, at - 40), at + 80));
