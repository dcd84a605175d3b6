import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { dial, type Peer, until } from "./kit.ts";

let server: Bun.Subprocess<"ignore", "pipe", "inherit"> | null = null;
afterEach(() => server?.kill("SIGKILL"));

test.skipIf(process.platform === "win32")(
  "with few files left the server turns new clients away and goes on serving those it has",
  async () => {
    const index = join(import.meta.dir, "..", "index.ts");
    server = Bun.spawn(
      [
        "sh",
        "-c",
        `ulimit -n 256 && exec "$0" "$1" --port 0 -c /dev/null --set web.enabled=false`,
        process.execPath,
        index,
      ],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    const output = server.stdout;
    let said = "";
    void (async () => {
      for await (const bytes of output) said += new TextDecoder().decode(bytes);
    })();
    await until(() => said.includes("ready on"));
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    // Beyond those that linger over their notice, further clients are cut: even connecting may fail then.
    const attempt = () => dial(port).catch(() => null);
    const peers: Peer[] = [];
    for (let i = 0; i < 300; i++) {
      const peer = await attempt();
      if (peer) peers.push(peer);
    }
    const [first, second] = peers as [Peer, Peer];
    first.send("still here\n");
    expect(JSON.parse(await second.next()).content).toBe("still here");
    expect(await (peers.at(-1) as Peer).closed).toBeString();
    const notice = "Warning: The server has too many clients. Please try again later.";
    expect(peers.filter(({ lines }) => lines.includes(notice)).length).toBeGreaterThan(0);
    // A place that is free again is given again.
    for (const peer of peers.slice(2)) peer.end();
    while (second.lines.length === 0) {
      const client = await attempt();
      client?.send("back\n");
      await until(() => client === null || client.isClosed || second.lines.length > 0);
    }
    expect(JSON.parse(await second.next()).content).toBe("back");
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  },
);
