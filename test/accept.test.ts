import { expect, test } from "bun:test";
import { join } from "node:path";
import { dial, type Peer, until } from "./kit.ts";

test.skipIf(process.platform === "win32")(
  "with few files left the server turns newcomers away and goes on serving those who are in",
  async () => {
    const index = join(import.meta.dir, "..", "index.ts");
    const server = Bun.spawn(
      [
        "sh",
        "-c",
        `ulimit -n 256 && exec "$0" "$1" --port 0 -c /dev/null --set version=rust`,
        process.execPath,
        index,
      ],
      { stdout: "pipe", stderr: "inherit" },
    );
    let said = "";
    void (async () => {
      for await (const bytes of server.stdout) said += new TextDecoder().decode(bytes);
    })();
    await until(() => said.includes("ready on"));
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    const peers: Peer[] = [];
    for (let i = 0; i < 300; i++) peers.push(await dial(port));
    const [first, second] = peers as [Peer, Peer];
    first.send("still here\n");
    expect(JSON.parse(await second.next()).content).toBe("still here");
    const last = peers.at(-1) as Peer;
    expect(await last.closed).toBeString();
    const notice = "Warning: The server has too many clients. Please try again later.";
    expect(peers.filter(({ lines }) => lines.includes(notice)).length).toBeGreaterThan(0);
    // What is free again is given again.
    for (const peer of peers.slice(2)) peer.end();
    const newcomer = await (async () => {
      for (;;) {
        const peer = await dial(port);
        peer.send("back\n");
        const line = await Promise.race([second.next(), peer.closed]);
        if (line !== "end" && line !== "reset") return JSON.parse(line).content;
      }
    })();
    expect(newcomer).toBe("back");
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  },
);
