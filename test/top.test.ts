import { describe, expect, test } from "bun:test";
import type { Running } from "../lib/host/service.ts";
import { type Booted, type Peer, until } from "./kit.ts";
import { call, configured, endings, program, REPEAT, served, TOKEN } from "./remote-suite.ts";
import { HandRoom, NODE, sharing } from "./room-suite.ts";

/** Without a limit that would refuse lines of a test. */
const FAST = { hyper_parameters: { rate_limit_msgs_per_minute: 100_000 } };

describe("top, once", () => {
  test("without a terminal is one plain snapshot, without its own connection", async () => {
    const server = await served({ name: "here", ...FAST });
    const peer = await server.join();
    server.clock.advance(1000);
    peer.send("x\n".repeat(1500));
    await until(() => server.stats()["lines_in"] === 1500);
    server.clock.advance(1000);
    for (const args of [["top"], ["top", "--once"]]) {
      const { out, err, code } = await call(configured(server), args);
      expect([err, code]).toEqual(["", 0]);
      // oxlint-disable-next-line no-control-regex
      expect(out).not.toMatch(/\x1b/);
      expect(out).toMatch(
        /^OK {2}here \d+\.\d+\.\d+ {2}up 2 s {2}CPU \d+\.\d% {2}memory \d+ MB {2}event loop delay /,
      );
      expect(out).toMatch(
        /\nrelay {2}clients 1 {2}lines in 1\.5 k\/s {2}deliveries 0\/s {2}bytes out 0 B\/s {2}Waiting in memory 0 B {2}quarantined 0 {2}on 127/,
      );
      expect(out).toMatch(
        /\nClients {2}1–1 of 1 {2}by Waiting\n {2}Address +Service +State +Age +Messages\/s +Messages +Refused\/s +Refused +In +Out +Waiting↓ +Number\n/,
      );
      expect(out).toMatch(
        new RegExp(
          `\\n {2}${peer.address} +relay +open +2 s +750 +1\\.5 k +0 +0 +3\\.0 kB +0 B +0 B +\\d+\\n$`,
        ),
      );
    }
  });

  test("as JSON has the names of the metrics, the problems and the rates", async () => {
    const server = await served({ name: "here", ...FAST });
    const peer = await server.join();
    server.clock.advance(1000);
    peer.send("x\n".repeat(30));
    await until(() => server.stats()["lines_in"] === 30);
    server.running().health = () => ({ ok: false, reason: "cannot listen" });
    server.clock.advance(1000);
    const { out, code } = await call(configured(server), ["top", "--json"]);
    expect([out.match(/\n/g)?.length, code]).toEqual([1, 0]);
    const told = JSON.parse(out);
    expect(told).toMatchObject({
      name: "here",
      state: "failing",
      problems: [
        {
          part: "relay",
          severity: "failing",
          text: "Cannot listen.",
          since: new Date(server.clock.wall()).toISOString(),
        },
      ],
      services: { relay: { stats: { lines_in: 30, clients: 1 }, per_second: { lines_in: 30 } } },
      total: 1,
      clients: [{ service: "relay", address: peer.address, messages_in: 30 }],
    });
    expect(told.clients).toHaveLength(1);
    expect(told.process.per_second).toHaveProperty("cpu_seconds");
  });

  test("of a server that is not there is one line, and 1", async () => {
    const server = await served();
    await server.stop();
    expect(await call(configured(server), ["top"])).toEqual({
      out: "",
      err: `error: no server on 127.0.0.1:${server.port("web")}: nobody listens there; ${REPEAT}\n`,
      code: 1,
    });
  });
});

interface Options {
  readonly cols?: number;
  readonly rows?: number;
  readonly env?: Record<string, string>;
  readonly more?: string;
}

/** `top` on a pseudo-terminal. */
class Watcher {
  readonly child: Bun.Subprocess;
  all = "";

  constructor(server: Booted, { cols = 110, rows = 24, env = {}, more = "" }: Options = {}) {
    const decoder = new TextDecoder();
    const { NO_COLOR: _, SUMMONER_TOKEN: __, ...inherited } = process.env;
    this.child = Bun.spawn([process.execPath, program, "top"], {
      cwd: configured(server, more),
      env: { ...inherited, ...env },
      terminal: {
        cols,
        rows,
        data: (_, bytes) => {
          this.all += decoder.decode(bytes, { stream: true });
        },
      },
    });
    endings.push(async () => {
      this.child.kill("SIGKILL");
      await this.child.exited;
    });
  }

  /** The last whole screen. */
  get raw(): string {
    return this.all.split("\x1b[H").findLast((one) => one.includes("\x1b[?2026l")) ?? "";
  }

  /** Its lines, without styles. */
  get lines(): string[] {
    // oxlint-disable-next-line no-control-regex
    return this.raw.replace(/\x1b\[[?\d;]*[A-Za-z]/g, "").split(/\r*\n/);
  }

  get text(): string {
    return this.lines.join("\n");
  }

  /** The lines below the head of the clients. */
  get clients(): string[] {
    const at = this.lines.findIndex((line) => /^ {2}Address/.test(line));
    return at < 0 ? [] : this.lines.slice(at + 1).filter((line) => /^[> ] \S/.test(line));
  }

  /** The client that is chosen. */
  get chosen(): string {
    return this.clients.find((line) => line.startsWith("> "))?.split(/ +/)[1] ?? "";
  }

  press(keys: string): void {
    this.child.terminal?.write(keys);
  }

  resize(cols: number, rows: number): void {
    this.child.terminal?.resize(cols, rows);
  }

  /** Waits for what the screen must show. */
  async see(what: string | RegExp): Promise<void> {
    await until(() => (typeof what === "string" ? this.text.includes(what) : what.test(this.text)));
  }
}

// There are no pseudo-terminals of this kind on Windows.
describe.skipIf(process.platform === "win32")("top, in a terminal", () => {
  test("follows the server, sorts, and quits", async () => {
    const server = await served({ name: "here", ...FAST });
    const peers = [await server.join(), await server.join()];
    peers[1]?.send("x\nx\nx\n");
    await until(() => server.stats()["lines_in"] === 3);
    const top = new Watcher(server);
    await until(() => top.clients.length === 2);
    expect(top.lines).toHaveLength(24);
    expect(top.clients[0]).toContain(peers[0]?.address as string);
    await top.see("Clients  1–2 of 2  by Waiting");
    for (const sort of ["Out↓", "In↓", "Refused↓", "Refused/s↓", "Messages↓"]) {
      top.press("\x1b[D");
      await top.see(sort);
    }
    await until(() => top.clients[0]?.includes(peers[1]?.address as string) === true);
    top.press("r");
    await top.see("Messages↑");
    await until(() => top.clients[0]?.includes(peers[0]?.address as string) === true);
    peers[0]?.send("x\n".repeat(7));
    await until(() => server.stats()["lines_in"] === 10);
    server.clock.advance(1000);
    await top.see("lines in 7/s");
    top.press("x");
    expect(await top.child.exited).toBe(0);
    expect(top.all).toStartWith("\x1b[?1049h\x1b[?25l");
    expect(top.all).toEndWith("\x1b[?25h\x1b[?1049l");
  });

  test("quits on Ctrl-C and on SIGTERM, and leaves the terminal as it was", async () => {
    const server = await served();
    for (const end of ["\x03", "SIGTERM"]) {
      const top = new Watcher(server);
      await top.see("No client is connected.");
      if (end === "SIGTERM") top.child.kill(end);
      else top.press(end);
      expect(await top.child.exited).toBe(0);
      expect(top.all).toEndWith("\x1b[?25h\x1b[?1049l");
    }
  });

  test.each([
    [40, 10, "Address Messages/s Waiting↓"],
    [80, 24, "Address Service Age Messages/s Refused/s In Out Waiting↓"],
    [
      200,
      60,
      "Address Service State Age Messages/s Messages Refused/s Refused In Out Waiting↓ Number",
    ],
  ])("at %d by %d each column is there whole or not at all", async (cols, rows, heads) => {
    const server = await served({ name: `${"漢字".repeat(30)}\u202e`, ...FAST });
    for (let i = 0; i < 30; i++) await server.join("127.0.100.1");
    const loud = await server.join("127.0.100.1");
    loud.send(`${"x".repeat(70_000)}\n`.repeat(30));
    await until(() => server.stats()["lines_in"] === 30);
    server.clock.advance(1000);
    const top = new Watcher(server, { cols, rows });
    await top.see(/ of 31 /);
    // A wide character takes two columns of the terminal.
    for (const line of top.lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(cols);
    expect(top.lines).toHaveLength(rows);
    expect(top.lines[0]).toMatch(/^Warning \(1 wrong\) {2}漢.*… \d+\.\d+\.\d+( {2}|$)/u);
    expect(top.lines[1]).toMatch(/^Warning {2}relay, for 0 s: /);
    const head = top.lines.find((line) => line.startsWith("  Address")) ?? "";
    expect(head.trim().split(/ +/).join(" ")).toBe(heads);
    for (const line of top.clients) expect(line.length).toBe(head.length);
    expect(top.lines.at(-1)).toMatch(/^\? keys .*x quit$/);
  });

  test("a resize redraws, and keeps the client that was chosen", async () => {
    const server = await served();
    for (let i = 0; i < 40; i++) await server.join();
    const top = new Watcher(server, { cols: 80, rows: 40 });
    await top.see(/1–3\d of 40/);
    top.press("\x1b[B".repeat(20));
    await until(() => top.clients[20]?.startsWith("> ") === true);
    const { chosen } = top;
    top.resize(60, 14);
    await until(() => top.lines.length === 14 && top.chosen === chosen);
    expect(top.text).not.toContain("Out");
    top.resize(120, 60);
    await until(() => top.lines.length === 60 && top.chosen === chosen);
    await top.see("Number");
    top.press("\x1b[F");
    await top.see("–40 of 40");
    await until(() => top.clients.at(-1)?.startsWith("> ") === true);
    top.press("\x1b[H");
    await until(() => top.clients[0]?.startsWith("> ") === true);
  });

  test("pages, and filters by address", async () => {
    const server = await served();
    for (let i = 0; i < 8; i++) await server.join();
    const other = await server.join("127.0.7.1");
    const top = new Watcher(server, { cols: 60, rows: 10 });
    await top.see("Clients  1–4 of 9");
    top.press("]");
    await top.see("Clients  5–8 of 9");
    top.press("[");
    await top.see("Clients  1–4 of 9");
    top.press("/127.0.7.x");
    await top.see("Filter: 127.0.7.x_");
    top.press("\x7f\r");
    await top.see("Clients  1–1 of 1  with 127.0.7.");
    expect(top.chosen).toBe(other.address);
    top.press("/0\r");
    await top.see("No client matches.");
    top.press("\x1b");
    await top.see("Clients  1–4 of 9");
    top.press("?");
    await top.see("kick, quarantine; asks");
    top.press("x");
    await top.see("Clients  1–4 of 9");
  });

  test("says what is wrong first, the worst first, and since when; colours only that", async () => {
    const server = await served(FAST);
    const top = new Watcher(server);
    const plain = new Watcher(server, { env: { NO_COLOR: "1" } });
    // oxlint-disable-next-line no-control-regex
    const colour = /\x1b\[3\dm/;
    for (const one of [top, plain]) await one.see(/^OK {2}/);
    expect(top.raw).not.toMatch(colour);
    const relay = server.running();
    const problem = (severity: "warning" | "note") => {
      return { key: severity, severity, text: `This is a ${severity}.` };
    };
    relay.problems = () => [problem("note"), problem("warning")];
    relay.health = () => ({ ok: false, reason: "cannot listen" });
    server.clock.advance(1000);
    await server.clock.leap(65_000);
    for (const one of [top, plain]) {
      await one.see(/^Failing \(2 wrong\) {2}.*\nFailing {2}relay, for 1 min/);
      expect(one.lines.slice(1, 5)).toEqual([
        "Failing  relay, for 1 min: Cannot listen.",
        "Warning  relay, for 1 min: This is a warning.",
        "Note  relay, for 1 min: This is a note.",
        "",
      ]);
    }
    expect(top.raw).toContain("\x1b[31mFailing\x1b[0m  relay");
    expect(top.raw).toContain("\x1b[33mWarning\x1b[0m  relay");
    // oxlint-disable-next-line no-control-regex
    expect(plain.raw).not.toMatch(/\x1b\[\d*m/);
    delete (relay as Partial<Running>).health;
    delete (relay as Partial<Running>).problems;
    server.clock.advance(1000);
    await top.see(/^OK {2}/);
  });

  test("kicks after a question, and asks for the token that the server wants", async () => {
    const server = await served({}, { token: TOKEN });
    const peers = [await server.join("127.0.8.1"), await server.join("127.0.8.2")];
    const top = new Watcher(server, { cols: 120 });
    await top.see("1–2 of 2");
    top.press("k");
    await top.see(`Kick ${peers[0]?.address}? `);
    top.press("n");
    await top.see("? keys");
    top.press("\x1b[B");
    await until(() => top.chosen === peers[1]?.address);
    // What is pasted answers no question.
    top.press("kyy");
    await top.see(`Kick ${peers[1]?.address}? `);
    top.press("y");
    await top.see(`The server wants its token. Next: kick ${peers[1]?.address}. Token: _`);
    top.press("not the token");
    await top.see("Token: ***********_");
    top.press("\r");
    await top.see(`This token is wrong. Next: kick ${peers[1]?.address}. Token: _`);
    expect(server.stats()["clients"]).toBe(2);
    top.press(`${TOKEN}\r`);
    await top.see(`Closed client`);
    expect(await peers[1]?.next()).toBe("Warning: You have been disconnected by an operator.");
    expect(top.all).not.toContain(TOKEN);
    // It has the token now.
    server.clock.advance(1000);
    await top.see("1–1 of 1");
    top.press("q");
    await top.see("Quarantine 127.0.8.1? ");
    top.press("2");
    await top.see("127.0.8.1 is in quarantine for 3600 s.");
    expect([...(server.running().quarantine?.entries() ?? [])].map(({ key }) => key)).toEqual([
      "127.0.8.1",
    ]);
  });

  test("kicks a client of another node, whose number it has to be told", async () => {
    const room = new HandRoom();
    room.all = [NODE, { ...NODE, name: "two/b", isSelf: false }];
    const server = await served({}, { token: TOKEN, table: sharing(room) });
    const top = new Watcher(server, { cols: 120, env: { SUMMONER_TOKEN: TOKEN } });
    await top.see("Room main: this is one, one of 2 nodes");
    top.press("Ktwo/b\r");
    await top.see("Not done: it takes the node and the client's number, as NODE/7.");
    top.press("Ktwo/b/12\r");
    await top.see("Closed client 12 of relay on node two/b, 10.0.0.7:4000.");
    expect(room.kicked).toEqual(["two/b/12"]);
    const alone = new Watcher(await served());
    await alone.see("? keys");
    alone.press("K");
    await alone.see("This server shares no room with others.");
  });

  test("of a room with many nodes says how many there are besides, and keeps room for the clients", async () => {
    const room = new HandRoom();
    room.all = [
      NODE,
      ...Array.from({ length: 30 }, (_, i) => ({ ...NODE, name: `n${i}`, isSelf: false })),
    ];
    const server = await served({}, { table: sharing(room) });
    await server.join();
    const top = new Watcher(server, { cols: 80, rows: 24 });
    await top.see("and 27 more");
    expect(top.lines.filter((line) => line.startsWith("  n0 "))).toHaveLength(1);
    expect(top.clients).toHaveLength(1);
    expect(top.lines.every((line) => line.length <= 80)).toBe(true);
    top.resize(80, 10);
    await top.see(/Clients {2}1–1 of 1/);
    await until(() => top.lines.length === 10);
    expect(top.clients).toHaveLength(1);
  });

  test("has the token of the environment, and says where there is none", async () => {
    const server = await served({}, { token: TOKEN });
    const peer = await server.join();
    const top = new Watcher(server, { env: { SUMMONER_TOKEN: TOKEN } });
    await top.see("1–1 of 1");
    top.press("k");
    await top.see(`Kick ${peer.address}? `);
    top.press("y");
    await top.see("Closed client");
    expect(await peer.next()).toBe("Warning: You have been disconnected by an operator.");
    const open = await served();
    await open.join();
    const other = new Watcher(open);
    await other.see("1–1 of 1");
    other.press("k");
    await other.see("Kick ");
    other.press("y");
    await other.see("Not done: this server has no token, so it takes no actions.");
  });

  test("at 80x24 whoever is chosen is shown, asked about and acted on after the window shrinks", async () => {
    const server = await served({}, { token: TOKEN });
    const peers: Peer[] = [];
    for (let i = 0; i < 30; i++) peers.push(await server.join(`127.0.9.${i + 1}`));
    const top = new Watcher(server, { cols: 80, rows: 24, env: { SUMMONER_TOKEN: TOKEN } });
    await top.see(/1–\d+ of 30/);
    for (const line of top.lines) expect(line.length).toBeLessThanOrEqual(80);
    top.press("\x1b[F");
    await until(() => top.chosen === peers[29]?.address);
    top.resize(50, 12);
    await until(() => top.lines.length === 12 && top.chosen === peers[29]?.address);
    top.press("k");
    // The question is broken between words, and its end, where it is answered, is in sight.
    await top.see("any other key: no");
    expect(top.lines).toHaveLength(12);
    for (const line of top.lines) expect(line.length).toBeLessThanOrEqual(50);
    top.press("y");
    await top.see("Closed client");
    expect(await peers[29]?.next()).toContain("disconnected by an operator");
    top.press("/127.0.9.1\r");
    server.clock.advance(1000);
    await top.see("of 11");
    top.press("x");
    expect(await top.child.exited).toBe(0);
  });

  test("keeps what it showed when the server goes while a question is open, and says that it is not done", async () => {
    const server = await served({}, { token: TOKEN });
    const peer = await server.join();
    const top = new Watcher(server, { env: { SUMMONER_TOKEN: TOKEN } });
    await top.see("1–1 of 1");
    top.press("k");
    await top.see(`Kick ${peer.address}? `);
    await server.stop();
    await top.see("No data for ");
    await top.see(`Kick ${peer.address}? `);
    top.press("y");
    await top.see(/Not done: no server on/);
    expect(top.text).not.toMatch(/^OK/);
    top.press("x");
    expect(await top.child.exited).toBe(0);
  });

  test("asks for the token where nothing may be read with the one at hand", async () => {
    const server = await served({ web: { host: "0.0.0.0" } }, { token: TOKEN });
    const options = { more: 'host = "0.0.0.0"\n', env: { SUMMONER_TOKEN: "an-older-token-of-it" } };
    const top = new Watcher(server, options);
    await top.see(/answers 401: This token is wrong[^]* Token:\s+_/);
    top.press(`${TOKEN}\r`);
    await top.see(/^OK {2}/);
    const other = new Watcher(server, options);
    await other.see(/Token:\s+_/);
    other.press("\x1b");
    expect(await other.child.exited).toBe(0);
  });

  test("says when the server is gone and since when, and goes on with the next one", async () => {
    const server = await served({ name: "first" });
    await server.join();
    const top = new Watcher(server);
    await top.see("1–1 of 1");
    await server.stop();
    await top.see(
      /^(No data|Stopped) {2}first .*\nNo data for \d+ s, retrying\. Shown is [\d:]{8}\./,
    );
    await top.see(/\nno server on 127\.0\.0\.1:\d+: nobody listens there/);
    expect(top.text).not.toContain("OK");
    const port = server.port("web");
    const next = await served({ name: "second", port: server.port(), web: { port } });
    await next.join();
    await top.see(/^OK {2}second /);
    await top.see("1–1 of 1");
    expect(top.text).not.toContain("No data");
  });

  test("a server that says nothing counts as gone until it speaks again", async () => {
    const server = await served();
    await server.join();
    const top = new Watcher(server);
    await top.see(/^OK {2}/);
    // The server's clock stands still, so it tells nothing.
    await top.see(/^No data {2}.*\nNo data for \d+ s, retrying\. Shown is [\d:]{8}\.\n\n/);
    expect(top.clients).toHaveLength(1);
    server.clock.advance(1000);
    await top.see(/^OK {2}/);
  });
});
