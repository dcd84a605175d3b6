import { describe, expect, test } from "bun:test";
import type { ClientMore } from "../lib/host/service.ts";
import { CLIENTS_KEPT, LastRefusals, REFUSALS_KEPT } from "../lib/net/admission/last-refusals.ts";
import { PASTS_KEPT, Pasts, STEPS_KEPT } from "../lib/net/admission/past.ts";
import { LOOK_MS } from "../lib/net/admission/recent.ts";
import { ask, boot, type Booted, type Overrides, until } from "./kit.ts";

const QUIET = { messagesPerSecond: 0, refusedPerSecond: 0, outboxBytes: 0 };

describe("the last refusals of a client", () => {
  test("are as many as are kept of one, the newest first; those just alike are counted", () => {
    const refusals = new LastRefusals();
    expect(refusals.of(1)).toEqual([]);
    for (let i = 0; i <= REFUSALS_KEPT; i++) refusals.note(1, i, "rate", `reason ${i}`);
    refusals.note(1, 100, "rate", `reason ${REFUSALS_KEPT}`);
    const kept = refusals.of(1);
    expect(kept).toHaveLength(REFUSALS_KEPT);
    expect(kept[0]).toEqual({
      at: 100,
      code: "rate",
      words: `reason ${REFUSALS_KEPT}`,
      times: 2,
    });
    expect(kept.at(-1)?.words).toBe("reason 1");
    refusals.forget(1);
    expect(refusals.of(1)).toEqual([]);
  });

  test("are kept of a bounded number of clients, and long words are cut", () => {
    const refusals = new LastRefusals();
    for (let id = 0; id < CLIENTS_KEPT; id++) refusals.note(id, 1, "a", "b");
    expect(refusals.of(0)).toHaveLength(1);
    refusals.note(CLIENTS_KEPT, 1, "a", "x".repeat(1_000_000));
    expect(refusals.of(0)).toEqual([]);
    expect(refusals.of(1)).toHaveLength(1);
    expect(refusals.of(CLIENTS_KEPT)[0]?.words).toBe("x".repeat(200));
  });
});

describe("the past of clients", () => {
  const look = (pasts: Pasts, at: number, steps: Readonly<Record<number, object>>) => {
    pasts.begin(at);
    for (const [id, step] of Object.entries(steps)) {
      pasts.look(Number(id), { at, ...QUIET, ...step });
    }
  };

  test("holds so many steps and no more", () => {
    const pasts = new Pasts();
    for (let i = 0; i <= STEPS_KEPT; i++) look(pasts, i, { 1: { messagesPerSecond: i + 1 } });
    const steps = pasts.watch(1, 0);
    expect(steps).toHaveLength(STEPS_KEPT);
    expect(steps[0]).toEqual({ at: 1, ...QUIET, messagesPerSecond: 2 });
    expect(steps.at(-1)?.at).toBe(STEPS_KEPT);
  });

  test("is kept of a bounded number; one in trouble takes the place of one that is not", () => {
    const pasts = new Pasts();
    const all = Object.fromEntries(
      Array.from({ length: PASTS_KEPT }, (_, id) => [id, { messagesPerSecond: 1 }]),
    );
    look(pasts, 1, { ...all, [PASTS_KEPT]: { messagesPerSecond: 9 } });
    expect([pasts.has(PASTS_KEPT - 1), pasts.has(PASTS_KEPT)]).toEqual([true, false]);
    look(pasts, 2, { [PASTS_KEPT]: { refusedPerSecond: 1 } });
    expect(pasts.has(PASTS_KEPT)).toBe(true);
    const kept = () => Object.keys(all).filter((id) => pasts.has(Number(id)));
    expect(kept()).toHaveLength(PASTS_KEPT - 1);
    // Whoever is looked at is kept in any case, for as long as that lasts.
    const watched = PASTS_KEPT + 1;
    pasts.watch(watched, 10);
    expect(kept()).toHaveLength(PASTS_KEPT - 2);
    const troubled = Object.fromEntries(
      Array.from({ length: 2 * PASTS_KEPT }, (_, i) => [watched + 1 + i, { outboxBytes: 1 }]),
    );
    look(pasts, 3, troubled);
    expect(pasts.has(watched)).toBe(true);
    expect(kept()).toEqual([]);
  });

  test("of one that does nothing any more is forgotten", () => {
    const pasts = new Pasts();
    look(pasts, 0, { 1: { messagesPerSecond: 1 } });
    for (let i = 1; i <= STEPS_KEPT; i++) look(pasts, i, { 1: {} });
    expect(pasts.has(1)).toBe(true);
    pasts.begin(STEPS_KEPT + 1);
    expect(pasts.has(1)).toBe(false);
  });
});

/** A service in a test's hands, with its first client. */
async function served(name: string, overrides: Overrides = {}) {
  const server: Booted = await boot(name, overrides);
  const peer = await server.join();
  const { id } = server.clients()[0] as { id: number };
  const more = () => server.running().client?.(id) as ClientMore | null;
  return { server, peer, id, more };
}

describe("a service tells more of a client", () => {
  test("of the relay: each reason with its code", async () => {
    const { server, peer, more } = await served("relay", {
      hyper_parameters: { rate_limit_msgs_per_minute: 2 },
    });
    peer.send(Buffer.from("\xff\n", "latin1"));
    peer.send(`${"x".repeat(70_000)}\n`);
    peer.send("x\n".repeat(3));
    await until(() => server.stats()["refused_rate"] === 3);
    expect(more()?.refusals).toEqual([
      { at: 0, code: "rate", words: "there were more than 2 in a minute", times: 3 },
      { at: 0, code: "oversize", words: expect.stringContaining("more than 65536"), times: 1 },
      { at: 0, code: "utf8", words: "it is not valid UTF-8", times: 1 },
    ]);
    expect(server.running().client?.(999_999)).toBeNull();
    peer.end();
    await until(() => server.stats()["clients"] === 0);
    expect(more()).toBeNull();
    await server.stop();
  });

  test("of the store: its codes, and nothing of a long name", async () => {
    const { server, peer, more } = await served("store");
    await ask(peer, { action: "fly" });
    await ask(peer, { action: "z".repeat(10_000) });
    await ask(peer, "nonsense");
    const [last, long, first] = more()?.refusals ?? [];
    expect([first?.code, last?.code]).toEqual(["UNKNOWN_ACTION", "MALFORMED"]);
    expect(first?.words).toContain("fly");
    expect(long?.words.length).toBeLessThanOrEqual(200);
    await server.stop();
  });

  test("its past, since it did something or was looked at", async () => {
    const { server, peer, more, id } = await served("relay");
    server.clock.advance(2 * LOOK_MS);
    // Nobody has looked, and it has done nothing.
    expect(more()?.past).toEqual([]);
    const other = await server.join();
    peer.send("x\n".repeat(50));
    await until(() => server.stats()["lines_in"] === 50);
    server.clock.advance(2 * LOOK_MS);
    const steps = more()?.past ?? [];
    expect(steps.length).toBeGreaterThanOrEqual(2);
    const sum = steps.reduce((all, { messagesPerSecond }) => all + messagesPerSecond, 0);
    expect(Math.round((sum * LOOK_MS) / 1000)).toBe(50);
    const quiet = server.clients().find((client) => client.id !== id)?.id as number;
    const pastOfQuiet = () => (server.running().client?.(quiet) as ClientMore | null)?.past;
    expect(pastOfQuiet()).toEqual([]);
    server.clock.advance(LOOK_MS);
    expect(pastOfQuiet()).toHaveLength(1);
    other.end();
    await server.stop();
  });
});
