import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dial, type Peer, until } from "./kit.ts";
import { pages } from "./pages.ts";
import { freePort } from "./ports.ts";
import { RoomServer } from "./room-server.ts";

// Three relays behind a load balancer, by the configurations of the page. Only
// addresses, ports and folders are others: each relay has an address of loopback.

const program = join(import.meta.dir, "..", "index.ts");
const page = pages.get("lib/services/relay/order/README.md") as string;
/** Those of the balancer and of the relays. */
const HOSTS = ["127.0.0.1", "127.0.0.11", "127.0.0.12", "127.0.0.13"];
const SECRET = "a password of the room";

/** The first example of the page's part about load balancers in this language. */
function recipe(language: string): string {
  const part = page.slice(page.indexOf("\n## Behind a load balancer"));
  return new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "m").exec(part)?.[1] as string;
}

/** A program of Debian's, which may not be on the path of a user. */
export function installed(name: string, ...more: readonly string[]): string | null {
  const found = Bun.which(name) ?? (existsSync(`/usr/sbin/${name}`) ? `/usr/sbin/${name}` : null);
  const complete = found !== null && more.every((path) => existsSync(path));
  if (!complete)
    console.log(`skipped: a room behind ${name}, which is not installed as it has to be`);
  return complete ? found : null;
}

/** A relay as a process of its own. */
export class Node {
  readonly name: string;
  readonly #room: BalancedRoom;
  #child: Bun.Subprocess<"ignore", "pipe", "inherit"> | null = null;
  #said = "";

  constructor(room: BalancedRoom, name: string) {
    this.#room = room;
    this.name = name;
  }

  /** True if this client has come to it since it was started. */
  has({ address }: Peer): boolean {
    return this.#said.includes(` ${address} connected`);
  }

  async start(url: string): Promise<void> {
    this.#said = "";
    const sets = [
      `cluster.node=${this.name}`,
      `cluster.url=${url}`,
      "hyper_parameters.rate_limit_msgs_per_minute=1000000",
    ];
    const child = Bun.spawn(
      [
        process.execPath,
        program,
        "--config",
        this.#room.fileOf(this),
        ...sets.flatMap((one) => ["--set", one]),
      ],
      {
        cwd: this.#room.folder,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
        env: { ...process.env, NO_COLOR: "1" },
      },
    );
    this.#child = child;
    const decoder = new TextDecoder();
    void (async () => {
      for await (const bytes of child.stdout) this.#said += decoder.decode(bytes, { stream: true });
    })();
    await until(() => this.#said.includes("relay is ready on") || child.exitCode !== null);
    if (child.exitCode !== null) throw new Error(`${this.name} has not started:\n${this.#said}`);
  }

  /** Drains and ends it. @returns its exit code */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    this.#child?.kill(signal);
    return (await this.#child?.exited) ?? 0;
  }
}

/** The relays, their server, the balancer in front of them, and the clients that come to it. */
export class BalancedRoom {
  readonly folder = mkdtempSync(join(tmpdir(), "balanced-"));
  readonly nodes: readonly Node[] = ["a", "b", "c"].map((name) => new Node(this, name));
  readonly port: number;
  readonly #web: number;
  readonly #server: RoomServer;
  readonly #peers: Peer[] = [];
  #balancer: Bun.Subprocess | null = null;
  #clients = 0;

  private constructor(server: RoomServer, port: number, web: number) {
    this.#server = server;
    this.port = port;
    this.#web = web;
    writeFileSync(join(this.folder, "redis-password"), `${SECRET}\n`);
    writeFileSync(join(this.folder, "token"), "a token that nobody has to know\n");
    const example = recipe("toml");
    for (const [i, node] of this.nodes.entries()) {
      const own = example.replaceAll('"10.0.0.11"', `"10.0.0.1${i + 1}"`);
      writeFileSync(this.fileOf(node), `port = ${port}\n${this.#here(own)}port = ${web}\n`);
    }
  }

  static async open(): Promise<BalancedRoom> {
    const server = await RoomServer.start("redis-server", "--requirepass", SECRET);
    const room = new BalancedRoom(server, await freePort(...HOSTS), await freePort(...HOSTS));
    await Promise.all(room.nodes.map((node) => node.start(room.url)));
    return room;
  }

  get url(): string {
    return this.#server.url;
  }

  fileOf({ name }: Node): string {
    return join(this.folder, `${name}.toml`);
  }

  /** Text of the page with the addresses, ports and folders of this room. */
  #here(text: string): string {
    return text
      .replaceAll("10.0.0.5:6379", `127.0.0.1:${this.#server.port}`)
      .replaceAll('"10.0.0.1"', '"127.0.0.1"')
      .replaceAll("10.0.0.1", "127.0.0.1")
      .replaceAll("bind :8888", "bind 127.0.0.1:8888")
      .replaceAll("listen 8888", "listen 127.0.0.1:8888")
      .replaceAll("8888", `${this.port}`)
      .replaceAll("8889", `${this.#web}`)
      .replaceAll(/\/etc\/summoner|\/run\/haproxy/g, this.folder);
  }

  /** Writes the balancer's configuration, as it is on the page or changed. @returns its path */
  write(language: string, change = (text: string) => text): string {
    const path = join(this.folder, `${language}.conf`);
    writeFileSync(path, this.#here(change(recipe(language))));
    return path;
  }

  /** Starts the balancer, and waits until it takes clients. */
  async balance(...cmd: string[]): Promise<Bun.Subprocess> {
    const balancer = Bun.spawn(cmd, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    this.#balancer = balancer;
    const said = new Response(balancer.stderr).text();
    for (;;) {
      if (balancer.exitCode !== null) throw new Error(`${cmd[0]} has ended:\n${await said}`);
      const probe = await dial(this.port).catch(() => null);
      probe?.end();
      if (probe) return balancer;
    }
  }

  /** A client that comes to the balancer, and the node that it is given; null if it is turned away. */
  async enter(): Promise<{ peer: Peer; node: Node | null }> {
    const peer = await dial(this.port, `127.0.0.${20 + (this.#clients++ % 200)}`);
    this.#peers.push(peer);
    const node = () => this.nodes.find((one) => one.has(peer)) ?? null;
    await until(() => node() !== null || peer.isClosed);
    return { peer, node: node() };
  }

  /** So many clients, one after the other. @returns those of each node */
  async fill(count: number): Promise<readonly Peer[][]> {
    const all = this.nodes.map((): Peer[] => []);
    for (let i = 0; i < count; i++) {
      const { peer, node } = await this.enter();
      if (node === null) throw new Error(`client ${i} was turned away`);
      all[this.nodes.indexOf(node)]?.push(peer);
    }
    return all;
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.end();
    this.#balancer?.kill("SIGTERM");
    await this.#balancer?.exited;
    for (const node of this.nodes) await node.stop("SIGKILL");
    await this.#server.stop("SIGKILL");
  }
}

/** A way to a server of rooms that can be cut. */
export class Road {
  readonly #to: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;

  constructor(to: string) {
    this.#to = Number(new URL(to).port);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    const server = createServer((socket) => {
      const there = createConnection(this.#to, "127.0.0.1");
      for (const one of [socket, there]) {
        this.#sockets.add(one);
        one.on("error", () => {});
        one.on("close", () => {
          this.#sockets.delete(one);
          socket.destroy();
          there.destroy();
        });
      }
      socket.pipe(there).pipe(socket);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as { port: number }).port;
  }

  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
