import { join } from "node:path";
import { expect } from "bun:test";
import { type Clock, systemClock } from "../lib/host/clock.ts";
import { type Booted, boot, dial, type Overrides, type Peer, turn, until } from "./kit.ts";
import type { RoomServer } from "./room-server.ts";

const program = join(import.meta.dir, "..", "index.ts");

/** Settings of a relay whose clients may flood it. */
export const FLOODED = { hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 } };

let rooms = 0;

/** A room of a name that no other test has, with the nodes that run in it. */
export class TestRoom {
  readonly name = `room-${++rooms}`;
  readonly server: RoomServer;
  readonly #nodes: Booted[] = [];
  readonly #peers: Peer[] = [];
  readonly #endings: (() => unknown)[] = [];

  constructor(server: RoomServer) {
    this.server = server;
  }

  /** A key of the room. */
  key(name: string): string {
    return `summoner:{${this.name}}:${name}`;
  }

  settings(node: string, overrides: Overrides = {}): Overrides {
    const { cluster, ...others } = overrides as { cluster?: object };
    return {
      ...FLOODED,
      ...others,
      cluster: { url: this.server.url, room: this.name, node, ...cluster },
    };
  }

  /** A node in this process. */
  async node(name: string, overrides: Overrides = {}, clock: Clock = systemClock): Promise<Booted> {
    const node = await boot("relay", this.settings(name, overrides), { clock });
    this.#nodes.push(node);
    return node;
  }

  /** A node as a process of its own, with what is needed to reach and to end it. */
  async process(name: string) {
    const sets = {
      port: 0,
      "web.enabled": false,
      "hyper_parameters.rate_limit_msgs_per_minute": 1_000_000,
      "cluster.url": this.server.url,
      "cluster.room": this.name,
      "cluster.node": name,
    };
    const args = Object.entries(sets).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const child = Bun.spawn([process.execPath, program, ...args], {
      cwd: this.server.folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.#endings.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    let said = "";
    const decoder = new TextDecoder();
    void (async () => {
      for await (const bytes of child.stdout) said += decoder.decode(bytes, { stream: true });
    })();
    await until(() => /relay is ready on \S+:\d+/.test(said) || child.exitCode !== null);
    const port = Number(/relay is ready on \S+:(\d+)/.exec(said)?.[1]);
    return {
      child,
      said: () => said,
      join: async (): Promise<Peer> => {
        const before = said.length;
        const peer = await dial(port);
        this.#peers.push(peer);
        await until(() => said.slice(before).includes(`${peer.address} connected`));
        return peer;
      },
    };
  }

  /** A client of a node. */
  async join(node: Booted): Promise<Peer> {
    const peer = await node.join();
    this.#peers.push(peer);
    return peer;
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.end();
    await Promise.all(this.#nodes.map((node) => node.stop(0).catch(() => {})));
    for (const end of this.#endings) await end();
  }
}

/** Lines that are sent while something happens, by several senders. */
export class Flood {
  readonly #senders: readonly Peer[];
  readonly #lines: number;
  readonly #sent: number[];
  readonly #filling: string;

  /** @param lines how many each sender sends @param characters how long each is, about */
  constructor(senders: readonly Peer[], lines: number, characters = 50) {
    this.#senders = senders;
    this.#lines = lines;
    this.#filling = "x".repeat(characters - 10);
    this.#sent = senders.map(() => 0);
  }

  get total(): number {
    return this.#senders.length * this.#lines;
  }

  /** Sends up to this part of all lines. */
  async to(part: number): Promise<void> {
    const upto = Math.floor(this.#lines * part);
    await Promise.all(
      this.#senders.map(async (sender, i) => {
        while ((this.#sent[i] as number) < upto) {
          const from = this.#sent[i] as number;
          const end = Math.min(upto, from + 50);
          this.#sent[i] = end;
          let text = "";
          for (let line = from; line < end; line++) text += `${i} ${line} ${this.#filling}\n`;
          await sender.sent(text);
          await turn();
        }
      }),
    );
  }

  /** Waits until each receiver has every line, and finds all of them alike: none lost, none twice, in one order. */
  async arrived(receivers: readonly Peer[]): Promise<void> {
    await until(() => receivers.every(({ lines }) => lines.length >= this.total));
    const [first, ...others] = receivers as [Peer, ...Peer[]];
    const next = this.#senders.map(() => 0);
    for (const line of first.lines) {
      const [sender, number] = JSON.parse(line).content.split(" ").map(Number);
      if (number !== next[sender]) throw new Error(`after ${next[sender]}: ${line}`);
      next[sender] = number + 1;
    }
    expect(next).toEqual(this.#senders.map(() => this.#lines));
    for (const { lines } of others) expect(Bun.deepEquals(lines, first.lines)).toBe(true);
  }
}

/**
 * Looks at what came to a client, of which some may be lost but none twice, and each sender's in order.
 * @returns the lines that came, and those that it was told were lost
 */
export function account({ lines }: Peer): { readonly came: number; readonly lost: number } {
  const next = new Map<string, number>();
  let [came, lost] = [0, 0];
  for (const line of lines) {
    const told = /^Warning: (\d+) lines? (?:was|were) lost; this server was cut off\.$/.exec(line);
    if (told) {
      lost += Number(told[1]);
      continue;
    }
    const [sender, number] = JSON.parse(line).content.split(" ") as [string, string];
    const least = next.get(sender) ?? 0;
    if (Number(number) < least) throw new Error(`after ${least}: ${line}`);
    next.set(sender, Number(number) + 1);
    came++;
  }
  return { came, lost };
}

/** Waits until every line has come to each client, or it has been told that it is lost. @returns the lines that each was told of */
export async function accounted(receivers: readonly Peer[], total: number): Promise<number[]> {
  const sum = (receiver: Peer) => {
    const { came, lost } = account(receiver);
    return came + lost;
  };
  for (const receiver of receivers) {
    let looked = -1;
    await until(() => {
      if (receiver.lines.length === looked) return false;
      looked = receiver.lines.length;
      return sum(receiver) >= total;
    });
    expect(sum(receiver)).toBe(total);
  }
  return receivers.map((receiver) => account(receiver).lost);
}
