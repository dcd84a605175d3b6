import { expect, test } from "bun:test";
import { SummonerServer } from "../index.ts";
import { HandClock } from "../lib/host/clock.ts";
import { dial, enveloped, until } from "./kit.ts";

test("the last line of a clean stop is its last, however busy the room was", async () => {
  const printed: string[] = [];
  const server = new SummonerServer("busy", {
    clock: new HandClock(),
    print: (text) => void printed.push(text),
  });
  const running = server.run({ config: { port: 0 } });
  const [address] = await server.listening;
  const peer = await dial(address?.port as number);
  const other = await dial(address?.port as number);
  await until(() => printed.join("").includes("(2 clients)"));
  // One more than the console shows in a second.
  const lines = Array.from({ length: 21 }, (_, i) => `${i}`);
  peer.send(`${lines.join("\n")}\n`);
  for (const line of lines)
    expect(await other.next()).toBe(enveloped(peer, line));
  server.shutdown();
  await running;
  expect(printed.join("")).toContain("1 more line");
  expect(printed.join("")).toEndWith("Server exited cleanly.\n");
});
