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
    let exchanged = 0;
    while (flooded() < FLOOD / 2 && exchanged < 100) {
      a.send(`${exchanged}\n`);
      let line = "";
      while (line !== enveloped(a, `${exchanged}`)) line = await b.next();
      exchanged++;
    }
    expect(exchanged).toBeGreaterThan(20);
  });
});
