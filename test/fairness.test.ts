import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { boot, type Booted, enveloped, until } from "./kit.ts";

const FLOOD = 48 * 2 ** 20;

describe("a client that sends as fast as it can", () => {
  let server: Booted;
  let child: Bun.Subprocess | null = null;
  afterEach(async () => {
    child?.kill();
    await child?.exited;
    await server.stop();
  });

  test.each([
    ["empty lines", "\n"],
    ["lines that are not UTF-8", "\xff\n"],
    ["no line at all", "x"],
  ])("leaves the others their turns: %s", async (_, text) => {
    server = await boot("relay");
    const [a, b] = [await server.join(), await server.join()];
    const before = server.stats()["bytes_in"] as number;
    const flood = join(import.meta.dir, "fixtures", "flood.ts");
    child = Bun.spawn([process.execPath, flood, `${server.port()}`, `${FLOOD}`, text]);
    const flooded = () => (server.stats()["bytes_in"] as number) - before;
    await until(() => flooded() > 0);
    // A line is read, sent on and heard in a few turns, in each of which the flood has its share.
    for (let i = 0; i < 5; i++) {
      const start = flooded();
      a.send(`${i}\n`);
      let line = "";
      while (line !== enveloped(a, `${i}`)) line = await b.next();
      expect(flooded() - start).toBeLessThan(FLOOD / 12);
    }
    expect(flooded()).toBeLessThan(FLOOD);
  });
});
