import type { EventStream } from "../../../host/http-part.ts";
import type { Deliverer } from "../channels/channels.ts";
import { type Follower, KeyWatch } from "../channels/watch.ts";
import type { ChangeLog } from "../keys/change-log.ts";
import type { Pattern } from "../keys/path.ts";
import type { Turn } from "../turn.ts";

/** Bytes that may wait for the disk, for one watcher. */
const WAITING_MAX = 2 ** 20;

/** Who watches keys over HTTP. */
export interface Watcher extends Follower {
  readonly pattern: Pattern;
  readonly stream: EventStream;
  /** Digest of the token it has shown, in hex; null where there are no tokens. */
  readonly token: string | null;
  /** Characters that wait for the disk. */
  waiting: number;
}

/** Tells those who watch keys over HTTP of changes, each once it is kept, as answers are. */
export class Watchers implements Deliverer<Watcher> {
  readonly watch: KeyWatch<Watcher>;
  readonly #turn: Pick<Turn, "kept">;
  readonly #all = new Set<Watcher>();
  /** What has happened in this turn. */
  #due: { readonly kept: Promise<void>; readonly lines: Map<Watcher, string> } | null = null;

  /** @param log has counted each change before it is told here */
  constructor(turn: Pick<Turn, "kept">, log: ChangeLog) {
    this.watch = new KeyWatch<Watcher>(this, log);
    this.#turn = turn;
  }

  /** Adds one. @param first its first lines @returns ends it */
  add(watcher: Watcher, first: string): () => void {
    this.#all.add(watcher);
    this.watch.subscriptions.add(watcher, watcher.pattern);
    if (first !== "") this.#tell(watcher, first);
    return () => {
      if (!this.#all.delete(watcher)) return;
      this.watch.subscriptions.remove(watcher, watcher.pattern);
    };
  }

  deliver(watchers: ReadonlySet<Watcher>, line: string): void {
    for (const watcher of watchers) this.#tell(watcher, line);
  }

  /** Ends those that may not watch any more. */
  renew(mayWatch: (watcher: Watcher) => boolean): void {
    for (const watcher of this.#all) {
      if (mayWatch(watcher)) continue;
      watcher.stream.send(eventOf('{"event":"closed","reason":"denied"}\n'));
      watcher.stream.close();
    }
  }

  #tell(watcher: Watcher, line: string): void {
    const kept = this.#turn.kept();
    if (this.#due?.kept !== kept) {
      const lines = new Map<Watcher, string>();
      this.#due = { kept, lines };
      void kept.then(() => {
        for (const [one, text] of lines) {
          one.waiting -= text.length;
          if (this.#all.has(one)) one.stream.send(text);
        }
      });
    }
    const text = eventOf(line);
    const isTooMuch = watcher.waiting > 0 && watcher.waiting + text.length > WAITING_MAX;
    if (isTooMuch) {
      watcher.stream.close();
      return;
    }
    watcher.waiting += text.length;
    const { lines } = this.#due;
    lines.set(watcher, (lines.get(watcher) ?? "") + text);
  }
}

/** A line of the wire as an event of that name. */
function eventOf(line: string): string {
  const name = /^\{"event":"([a-z]+)"/.exec(line)?.[1];
  return `event: ${name}\ndata: ${line}\n`;
}
