import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { account, Flood, FLOODED, TestRoom } from "./cluster-suite.ts";
import { type Booted, enveloped, type Peer, turn, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const MOST = "9".repeat(15);
const SLOW = 60_000;
const NOTICE = /^Warning: \d+ lines? (?:was|were) lost; this server was cut off\.$/;

for (const program of PROGRAMS) {
  describe(`entries on ${program} in the name of a node`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    async function two(worker_threads = 1) {
      room = new TestRoom(server);
      const hyper_parameters = { ...FLOODED.hyper_parameters, worker_threads };
      const [a, b] = [await room.node("a", { hyper_parameters }), await room.node("b")];
      return { a, b, from: await room.join(a), near: await room.join(a), far: await room.join(b) };
    }

    /** The life that a node has at present. */
    async function lifeOf(name: string): Promise<string> {
      const record = (await server.ask("HGET", room.key("nodes"), name)) as string;
      return record.split(" ")[1] as string;
    }

    async function forge(life: string, changes: object = {}): Promise<string> {
      const fields = { n: life, i: MOST, b: "0", c: "0", k: "kick", l: "2", t: "{}", ...changes };
      const all = Object.entries(fields).flat();
      return (await server.ask("XADD", room.key("log"), "*", ...all)) as string;
    }

    const tellsOfIt = (node: Booted) =>
      node.printed().match(/somebody else writes to the stream in the name of this node/g)?.length;

    /** Takes the notices out of what a client got, and finds all lines there, in one order. */
    async function arrived(flood: Flood, peers: readonly Peer[]): Promise<number> {
      const lines = ({ lines }: Peer) => lines.filter((line) => !NOTICE.test(line));
      await until(() => peers.every((peer) => lines(peer).length >= flood.total));
      let notices = 0;
      for (const { lines } of peers) {
        for (let i = lines.length - 1; i >= 0; i--) {
          if (NOTICE.test(lines[i] as string)) notices += lines.splice(i, 1).length;
        }
      }
      await flood.arrived(peers);
      return notices;
    }

    for (const [kind, changes] of [
      ["a line", { k: "lines", c: "1", t: `{"remote_addr":"x","content":"1 0"}\n`, l: "36" }],
      ["a word", {}],
      ["a sign of life", { k: "here" }],
      ["a good-bye", { k: "left" }],
    ] as const) {
      test(
        `with a number that it has not reached: ${kind} does not silence it`,
        async () => {
          const { a, b, from, near, far } = await two();
          const flood = new Flood([from], 2000);
          for (const part of [0.3, 0.6]) {
            await flood.to(part);
            const life = await lifeOf("a");
            await forge(life, changes);
            const sending = flood.to(part + 0.2);
            await until(() => (a.stats()["foreign_entries"] as number) >= (part > 0.5 ? 2 : 1));
            await sending;
          }
          await flood.to(1);
          const forged = kind === "a line" ? 2 : 0;
          const isForged = (line: string) => line.includes('"remote_addr":"x"');
          await until(() => far.lines.length >= flood.total + forged);
          expect(far.lines.filter(isForged)).toHaveLength(forged);
          for (const { lines } of [near, far]) {
            const mine = lines.filter((line) => !isForged(line));
            lines.splice(0, lines.length, ...mine);
          }
          expect(await arrived(flood, [near, far])).toBe(0);
          expect(tellsOfIt(a)).toBe(1);
          expect([a, b].map((node) => node.stats()["lost_lines"])).toEqual([0, 0]);
          expect(a.stats()).toMatchObject({ foreign_entries: 2, room_cuts: 0, room_nodes: 2 });
          expect(a.running().room!.nodes()[0]!.name).toBe("a");
        },
        SLOW,
      );
    }

    test(
      "with a huge number of lines: one notice with a number that makes sense, and nothing is lost",
      async () => {
        const { a, b, from, near, far } = await two();
        const flood = new Flood([from], 1000);
        for (const [part, kind] of [
          [0.3, "kick"],
          [0.6, "here"],
        ] as const) {
          await flood.to(part);
          await until(() => far.lines.length >= flood.total * part);
          await forge(await lifeOf("a"), { b: MOST, k: kind, i: kind === "here" ? "1" : MOST });
          await until(() => (a.stats()["foreign_entries"] as number) > (part > 0.5 ? 1 : 0));
        }
        await flood.to(1);
        expect(await arrived(flood, [near, far])).toBe(2);
        expect(b.stats()["lost_lines"]).toBe(2e9);
        expect(a.stats()["lost_lines"]).toBe(0);
      },
      SLOW,
    );

    test(
      "by its number beside the stream: what it sends is not taken for old",
      async () => {
        const { a, b, from, near, far } = await two();
        const flood = new Flood([from], 2000);
        for (const [i, part] of [0.2, 0.5, 0.8].entries()) {
          await flood.to(part);
          await server.ask("HSET", room.key("heads"), await lifeOf("a"), `${MOST} 0`);
          // One is found by what it sends, another one when it joins again.
          if (i === 1) await server.ask("CLIENT", "KILL", "TYPE", "normal");
          await flood.to(part + 0.1);
          await until(() => (a.stats()["foreign_entries"] as number) > i);
        }
        await flood.to(1);
        expect(await arrived(flood, [near, far])).toBe(0);
        expect(tellsOfIt(a)).toBe(1);
        expect([a, b].map((node) => node.stats()["lost_lines"])).toEqual([0, 0]);
      },
      SLOW,
    );

    for (const kind of ["here", "kick"]) {
      test(
        `before their turn, among what is on its way (${kind}): all comes once`,
        async () => {
          const { a, from, near, far } = await two();
          from.send("0 0\n");
          await far.next();
          await near.next();
          const life = await lifeOf("a");
          const client = new Bun.RedisClient(server.url, { autoReconnect: false });
          client.onclose = () => {};
          const id = await client.send("CLIENT", ["ID"]);
          await server.ask("CLIENT", "PAUSE", "60000", "WRITE");
          const [i, b, t] = ["3", "2", "{}"];
          const fields = ["n", life, "i", i, "b", b, "c", "0", "k", kind, "l", "2", "t", t];
          const forged = client.send("XADD", [room.key("log"), "*", ...fields]);
          // It is the first in the row, before the entries 2, 3 and 4 are sent.
          while (!`${await server.ask("CLIENT", "LIST", "ID", `${id}`)}`.includes(" flags=b "))
            await turn();
          for (const line of [1, 2, 3]) {
            from.send(`0 ${line}\n`);
            await until(() => a.stats()["lines_relayed"] === line + 1);
          }
          await server.ask("CLIENT", "UNPAUSE");
          await forged;
          client.close();
          from.send("0 4\n");
          const all = (peer: Peer) => peer.lines.filter((line) => !NOTICE.test(line));
          await until(() => [near, far].every((peer) => all(peer).length >= 4));
          const wanted = [1, 2, 3, 4].map((line) => enveloped(from, `0 ${line}`));
          expect(all(near)).toEqual(wanted);
          expect(all(far).toSorted()).toEqual(wanted);
          expect(a.stats()["foreign_entries"]).toBe(1);
        },
        SLOW,
      );
    }

    test.each(["700", "0", MOST])(
      "that are gone before it reads them, with %s lines: the others find out by its signs of life, and tell what they have missed",
      async (before) => {
        room = new TestRoom(server);
        await server.ask("ACL", "SETUSER", "a", "on", "nopass", "~*", "&*", "+@all");
        const url = `redis://a@127.0.0.1:${server.port}`;
        const [a, b] = [await room.node("a", { cluster: { url } }), await room.node("b")];
        const flood = new Flood([await room.join(a)], 1000);
        const far = await room.join(b);
        await flood.to(0.3);
        await until(() => far.lines.length === flood.total * 0.3);
        await server.ask("ACL", "SETUSER", "a", "off");
        await server.ask("CLIENT", "KILL", "USER", "a");
        await until(() => a.running().room?.trouble != null);
        const id = await forge(await lifeOf("a"), { k: "bar", b: before });
        await forge("nobody", {
          k: "lines",
          c: "1",
          t: `{"remote_addr":"x","content":"9 0"}\n`,
          i: "1",
        });
        await until(() => far.lines.at(-1)!.includes("9 0"));
        // And what it tells of itself is not true.
        far.lines.splice(flood.total * 0.3);
        const lie = b.stats()["lost_lines"] as number;
        await server.ask("XDEL", room.key("log"), id);
        await server.ask("ACL", "SETUSER", "a", "on");
        await flood.to(0.6);
        await until(() => (b.stats()["foreign_entries"] as number) > 0);
        await flood.to(1);
        const sum = () => {
          const { came, lost } = account(far);
          return came + lost;
        };
        await until(() => far.lines.at(-1)!.includes('"0 999 '));
        expect(sum()).toBe(flood.total);
        expect(account(far).lost).toBe(flood.total * 0.3);
        expect(b.stats()).toMatchObject({
          lost_lines: lie + flood.total * 0.3,
          foreign_entries: 1,
        });
      },
      SLOW,
    );

    test(
      "and in names of very many that nobody knows: the next one that joins drops them, and nothing is lost",
      async () => {
        const { a, b, from, near, far } = await two();
        const flood = new Flood([from], 1000);
        await flood.to(0.4);
        const heads = (await server.ask("HLEN", room.key("heads"))) as number;
        for (let some = 0; some < 20; some++) {
          const lives = Array.from({ length: 1000 }, (_, i) => [`life-${some}-${i}`, "0 0"]);
          await server.ask("HSET", room.key("heads"), ...lives.flat());
          const told = JSON.stringify({ address: "x", version: "1", clients: 0, lines: 0, up: 0 });
          const names = lives.map(([life]) => [`n-${life}`, `${Date.now()} l-${life} ${told}`]);
          await server.ask("HSET", room.key("nodes"), ...names.flat());
        }
        const sending = flood.to(0.8);
        const c = await room.node("c");
        await sending;
        await flood.to(1);
        expect(await arrived(flood, [near, far])).toBe(0);
        await until(() => [a, b, c].every((node) => node.stats()["room_nodes"] === 3));
        expect(await server.ask("HLEN", room.key("heads"))).toBeLessThanOrEqual(heads + 1);
        expect(await server.ask("HLEN", room.key("nodes"))).toBe(3);
      },
      SLOW,
    );

    test.each([1, 2])(
      "at random, in the middle of a flood of %d threads: nothing comes twice, and each line comes",
      async (threads) => {
        const { from, near, far } = await two(threads);
        const flood = new Flood([from], 4000);
        let forging = true;
        const script = `
          local head = redis.call('HGET', KEYS[2], ARGV[1]) or '0 0'
          local number, lines = string.match(head, '^(%d+) (%d+)')
          return redis.call('XADD', KEYS[1], '*', 'n', ARGV[1], 'i', string.format('%.0f', number + ARGV[2]),
            'b', lines, 'c', '0', 'k', ARGV[3], 'l', '2', 't', '{}')`;
        const forger = (async () => {
          for (let n = 0; forging; n++) {
            const keys = [room.key("log"), room.key("heads")];
            const kind = n % 2 === 0 ? "here" : "kick";
            await server.ask("EVAL", script, "2", ...keys, await lifeOf("a"), `${n % 4}`, kind);
            const seen = far.lines.length;
            await until(() => far.lines.length > seen + 100 || !forging);
          }
        })();
        await flood.to(1);
        const lines = ({ lines }: Peer) =>
          lines.filter((line) => !NOTICE.test(line)).map((line) => JSON.parse(line).content);
        await until(() => [near, far].every((peer) => lines(peer).length >= flood.total));
        forging = false;
        await forger;
        for (const peer of [near, far]) expect(new Set(lines(peer)).size).toBe(flood.total);
        expect(lines(far)).toHaveLength(flood.total);
        expect(account(near).came).toBe(flood.total);
      },
      SLOW,
    );
  });
}
