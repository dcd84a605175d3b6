import { afterEach, describe, expect, test } from "bun:test";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { FileShares } from "../lib/host/files/file-shares.ts";
import { dial, ended, enveloped, until } from "./kit.ts";

describe("the files of connections", () => {
  const door = (name: string, maxClients = 0, isMain = false) => ({ name, maxClients, isMain });

  test("are shared out, three parts to the main service and one to each other", () => {
    const files = new FileShares([door("a", 0, true), door("b"), door("c")], 1064);
    expect(["a", "b", "c"].map((name) => files.share(name))).toEqual([600, 200, 200]);
    expect(new FileShares([door("a", 0, true)], 1064).share("a")).toBe(1000);
  });

  test("that a service is set not to need go to the others", () => {
    const files = new FileShares([door("a", 0, true), door("b", 70), door("c")], 1064);
    expect(files.share("b")).toBe(96);
    expect(files.share("a") + files.share("c")).toBeGreaterThanOrEqual(903);
    expect(files.share("a") / files.share("c")).toBeCloseTo(3, 1);
    const modest = new FileShares([door("a", 7, true), door("b", 7)], 1064);
    expect([modest.share("a"), modest.share("b")]).toEqual([24, 24]);
  });

  test("are fewer where a service keeps others open", () => {
    const threads = { ...door("a", 0, true), besides: 100 };
    const files = new FileShares([threads, door("b")], 1064);
    expect([files.share("a"), files.share("b")]).toEqual([675, 225]);
    expect(new FileShares([threads], 100).share("a")).toBe(50);
  });

  test("are told of when there are few, and when there are too few", () => {
    const trouble = (limit: number) => new FileShares([door("a", 0, true)], limit).trouble;
    expect(trouble(64)).toBeNull();
    expect(trouble(63)).toMatchObject({ fatal: false });
    expect(trouble(24)).toMatchObject({ fatal: false });
    expect(trouble(23)).toMatchObject({ fatal: true });
  });
});

describe.skipIf(process.platform !== "linux")("a server with few files", () => {
  let server: Bun.Subprocess<"ignore", "pipe", "pipe"> | null = null;
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server?.kill("SIGKILL");
    await server?.exited;
  });

  function start(files: number, set = "name=few") {
    const index = join(import.meta.dir, "..", "index.ts");
    const run = `ulimit -n ${files} && exec "$0" "$1" --port 0 -c /dev/null --set version=rust --set web.enabled=true --set web.port=0 --set ${set}`;
    server = Bun.spawn(["sh", "-c", run, process.execPath, index], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return server;
  }

  async function ready(child: Bun.Subprocess<"ignore", "pipe", "pipe">) {
    let said = "";
    void (async () => {
      for await (const bytes of child.stdout) said += new TextDecoder().decode(bytes);
    })();
    await until(() => said.includes("web is ready on"));
    const port = (of: string) =>
      Number(new RegExp(`${of} is ready on \\S*:(\\d+)`).exec(said)?.[1]);
    return { said: () => said, relay: port("relay"), web: port("web") };
  }

  /** Connects to the web service and sends something. */
  function ask(port: number, text: string) {
    const socket = createConnection({ port, host: "127.0.0.1" });
    const seen = { got: "", gone: false };
    socket.on("error", () => {});
    socket.on("close", () => {
      seen.gone = true;
    });
    socket.on("data", (bytes) => {
      seen.got += bytes;
    });
    socket.write(text);
    sockets.push(socket);
    return seen;
  }

  async function exchange(port: number): Promise<void> {
    const [a, b] = [await dial(port), await dial(port)];
    await new Promise((resolve) => {
      // A line goes only to clients that have joined, so it is repeated until the other has.
      const again = setInterval(() => a.send("hello\n"), 5);
      void b.next().then((line) => {
        clearInterval(again);
        expect(line).toBe(enveloped(a, "hello"));
        resolve(null);
      });
    });
    for (const peer of [a, b]) peer.end();
  }

  test.each([
    ["half requests", 300, "GET / HT"],
    ["connections that say nothing", 300, ""],
    ["event streams", 260, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ])("serves its relay whatever %s take", async (_, count, text) => {
    const child = start(256);
    const { relay, web, said } = await ready(child);
    const asked = Array.from({ length: count }, () => ask(web, text));
    await exchange(relay);
    // A quarter of the 192 files that are left for connections is the web service's.
    await until(() => asked.filter(({ gone }) => !gone).length <= 48);
    await exchange(relay);
    expect(asked.filter(({ gone }) => !gone).length).toBeGreaterThan(30);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(said()).toMatch(
      /web: turned away \d+ clients in the last minute, the last \S+: too many connections\n/,
    );
    expect(said()).not.toMatch(/ERROR|\n +at /);
  });

  test("serves with threads whatever clients come, and a descriptor is always left", async () => {
    const child = start(160, "hyper_parameters.worker_threads=3");
    const { relay, web, said } = await ready(child);
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 300 }, () => ask(relay, ""));
      // 160, less 64 and 5 for each thread, are left, of which a quarter is the web service's.
      await until(() => asked.filter(({ gone }) => !gone).length <= 61);
      for (const socket of sockets.splice(0)) socket.destroy();
    }
    const inside = async () => {
      const varz: any = await (await fetch(`http://127.0.0.1:${web}/varz`)).json();
      return varz.services.relay.stats.clients as number;
    };
    while ((await inside()) > 0) {}
    await exchange(relay);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(said()).toMatch(
      /relay: turned away \d+ clients in the last minute, the last \S+: too many clients for its share of the open files\n/,
    );
    expect(said()).not.toMatch(/ERROR|\n +at /);
  });

  test("says that there are few", async () => {
    const child = start(48);
    const { relay, said } = await ready(child);
    expect(said()).toContain(
      " WARNING  at most 48 files may be open (ulimit -n), which leaves few for connections: relay 18, web 6; raise it\n",
    );
    await exchange(relay);
  });

  test.each([8, 12, 23])("does not start with %d, and says so in one line", async (files) => {
    const { err, code } = await ended(start(files));
    expect([err, code]).toEqual([
      `error: at most ${files} files may be open (ulimit -n), with which nothing can be served; raise it to 64 or more\n`,
      1,
    ]);
  });
});
