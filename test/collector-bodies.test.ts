import { expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import { Bodies } from "../lib/services/collector/doors/bodies.ts";
import { turn } from "./kit.ts";

const FULL = "Too many requests are under way.";

/** Bodies of 1000 bytes in all, and what begins one that never ends and holds so many bytes. */
function holding() {
  const clock = new HandClock();
  const bodies = new Bodies(clock, 1000, 200);
  const begin = (ip: string, bytes: number) => {
    let more: (bytes: number) => void = () => {};
    const ended = bodies.hold(
      ip,
      (add) => {
        more = add;
        add(bytes);
        return new Promise<Buffer>(() => {});
      },
      async () => "done",
    );
    return { ended: ended.catch((error: Error) => error.message), more: (n: number) => more(n) };
  };
  return { clock, bodies, begin };
}

test("an address may hold a quarter, and no more; on this machine all", async () => {
  const { begin, clock } = holding();
  begin("10.0.0.1", 100);
  begin("10.0.0.1", 150);
  expect(await begin("10.0.0.1", 1).ended).toBe(FULL);
  // Another one is not asked to make room for it.
  const other = begin("10.0.0.2", 250);
  clock.advance(2000);
  const third = begin("10.0.0.1", 250);
  expect(() => other.more(0)).not.toThrow();
  expect(() => third.more(1)).toThrow(FULL);
  const here = begin("127.0.0.1", 500);
  expect(() => here.more(0)).not.toThrow();
  begin("127.0.0.1", 1);
  expect(await other.ended).toContain("give way");
});

test("what is whole counts towards no quarter", async () => {
  const { bodies, begin } = holding();
  const whole = () =>
    bodies.hold(
      "10.0.0.1",
      async (add) => {
        add(100);
        return Buffer.alloc(100);
      },
      async (_, add) => {
        add(200);
        return new Promise(() => {});
      },
    );
  for (let n = 0; n < 3; n++) {
    void whole();
    await turn();
  }
  const coming = begin("10.0.0.1", 50);
  expect(() => coming.more(50)).not.toThrow();
  expect(() => coming.more(1)).toThrow(FULL);
});

test("what has been coming for longest gives way, and no more of it than has to", async () => {
  const { begin, clock } = holding();
  const here = ["127.0.0.1", "::1", "127.0.0.2"] as const;
  const [first, second, third] = here.map((ip) => begin(ip, 300));
  clock.advance(1999);
  expect(await begin("::1", 101).ended).toBe(FULL);
  clock.advance(1);
  const fresh = begin("::1", 400);
  expect(await first?.ended).toContain("give way");
  expect(() => first?.more(1)).toThrow("give way");
  for (const one of [second, third, fresh]) expect(() => one?.more(0)).not.toThrow();
});

test("what is whole gives way to nobody", async () => {
  const { bodies, begin, clock } = holding();
  const done = Promise.withResolvers<string>();
  const whole = bodies.hold(
    "::1",
    async (add) => {
      add(1000);
      return Buffer.alloc(1000);
    },
    () => done.promise,
  );
  await turn();
  clock.advance(10_000);
  expect(await begin("::1", 1).ended).toBe(FULL);
  done.resolve("taken");
  expect(await whole).toBe("taken");
  expect(() => begin("::1", 1000).more(0)).not.toThrow();
});
