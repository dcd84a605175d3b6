import { afterEach, expect, test } from "bun:test";
import { boot, type Booted, enveloped } from "./kit.ts";

let server: Booted;
afterEach(() => server.stop());

test("a line goes to every other client and not to its sender", async () => {
  server = await boot();
  const [a, b, c] = [await server.join(), await server.join(), await server.join()];
  a.send("hello\n");
  expect(await b.next()).toBe(enveloped(a, "hello"));
  expect(await c.next()).toBe(enveloped(a, "hello"));
  b.send("answer\n");
  expect(await a.next()).toBe(enveloped(b, "answer"));
});
