import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { connect } from "node:tls";
import { ask, boot, type Booted, enveloped, openssl, selfSigned, turn, until } from "./kit.ts";

let server: Booted;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await server.stop();
});

const HOUR = 3_600_000;
const MB = 2 ** 20;
const stat = (key: string) => server.stats()[key] as number;

// Each leaps over a deadline while what would have met it waits in the socket.
describe("after a pause, what waits in the sockets is read before anybody is judged", () => {
  test("idle, by the relay", async () => {
    server = await boot("relay", { hyper_parameters: { timeout_check_interval_secs: 1 } });
    const [beats, speaks, silent] = [await server.join(), await server.join(), await server.join()];
    beats.send("\n");
    speaks.send("here\n");
    await server.clock.leap(HOUR);
    expect(await silent.next()).toBe(enveloped(speaks, "here"));
    expect(await silent.next()).toBe("Warning: You have been disconnected due to inactivity.");
    expect(server.stats()).toMatchObject({ clients: 2, closed_idle: 1 });
    expect(beats.isClosed).toBe(false);
  });

  test("idle, by the store", async () => {
    server = await boot("store");
    const [beats, asks, silent] = [await server.join(), await server.join(), await server.join()];
    beats.send("\n");
    const answer = ask(asks, { action: "PING" });
    await server.clock.leap(HOUR);
    expect(await answer).toEqual({ result: "PONG" });
    await silent.closed;
    expect(server.stats()).toMatchObject({ clients: 2, closed_idle: 1 });
  });

  test("idle, by the store's echo mode", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const [speaks, silent] = [await server.join(), await server.join()];
    speaks.send("x");
    await server.clock.leap(HOUR);
    await silent.closed;
    expect(server.stats()).toMatchObject({ clients: 1, closed_idle: 1 });
  });

  test.skipIf(!openssl)("late with a TLS handshake", async () => {
    const folder = mkdtempSync(`${tmpdir()}/summoner-pause-`);
    endings.push(() => rmSync(folder, { recursive: true }));
    server = await boot("relay", { tls: selfSigned(folder) });
    const plain = createConnection({ host: "127.0.0.1", port: server.port() });
    endings.push(() => plain.destroy());
    await until(() => stat("accepted") === 1);
    const peer = connect({ socket: plain, rejectUnauthorized: false });
    peer.on("error", () => {});
    await server.clock.leap(HOUR);
    await until(() => stat("clients") + stat("closed_handshake") === 1);
    expect(server.stats()).toMatchObject({ clients: 1, closed_handshake: 0 });
  });

  /** A relay in which much waits for a reader that has only just begun to read. */
  async function lagging() {
    server = await boot("relay", {
      hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000, client_timeout_secs: 0 },
      relay: { outbox_bytes: 64 * MB, total_outbox_bytes: 64 * MB },
    });
    const [sender, reader] = [await server.join(), await server.join()];
    reader.pause();
    const block = `${"x".repeat(1000)}\n`.repeat(1000);
    while (stat("backlog_pauses") === 0) {
      sender.send(block);
      await turn();
    }
    reader.resume();
    return reader;
  }

  test("a reader that stalls", async () => {
    await lagging();
    await server.clock.leap(HOUR);
    await until(() => stat("pinned_bytes") === 0);
    expect(server.stats()).toMatchObject({ clients: 2, closed_slow: 0 });
  });

  test("slow to take what it is owed before the notice of its close", async () => {
    const reader = await lagging();
    const info = server.clients().find(({ address }) => address === reader.address);
    server.running().kick(info?.id as number);
    await server.clock.leap(HOUR);
    expect(await reader.closed).toBe("end");
    expect(reader.lines.at(-1)).toBe("Warning: You have been disconnected by an operator.");
  });

  test("late with the body of a request", async () => {
    server = await boot(["web", "relay"], {}, { token: "sixteen-characters-or-more" });
    const socket = createConnection({ host: "127.0.0.1", port: server.port("web") });
    endings.push(() => socket.destroy());
    let answer = "";
    socket.on("data", (bytes) => (answer += bytes.toString()));
    socket.on("error", () => {});
    socket.write("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n");
    socket.write("X-Summoner-Page: 1\r\nContent-Type: application/json\r\n\r\n{");
    await until(() => server.stats("web")["requests"] === 1);
    socket.write("}");
    await server.clock.leap(HOUR);
    await until(() => answer !== "");
    expect(answer).toEndWith("token: needs a text\n");
    expect(server.stats("web")["timeouts"]).toBe(0);
  });
});

test("who is not read by the relay's own doing is not idle meanwhile", async () => {
  const policy = { enable_throttle: false, flow_control_threshold: 1, enable_disconnect: false };
  server = await boot("relay", {
    hyper_parameters: {
      client_timeout_secs: 60,
      timeout_check_interval_secs: 1,
      flow_control_delay_ms: 120_000,
      backpressure_policy: policy,
    },
  });
  const [paused, listener] = [await server.join(), await server.join()];
  paused.send("one\n");
  expect(await listener.next()).toBe(enveloped(paused, "one"));
  paused.send("two\n");
  for (let i = 0; i < 11; i++) {
    server.clock.advance(10_000);
    listener.send("\n");
    const lines = stat("lines_in");
    await until(() => stat("lines_in") > lines);
  }
  expect(server.stats()).toMatchObject({ clients: 2, closed_idle: 0 });
  server.clock.advance(10_000);
  expect(await listener.next()).toBe(enveloped(paused, "two"));
});
