import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { boot, type Booted, dial, openssl, until } from "./kit.ts";

if (!openssl) console.log("skipped: the TLS suite, because openssl is not installed");

const folder = mkdtempSync(join(tmpdir(), "summoner-tls-"));
const at = (name: string) => join(folder, name);
const read = (name: string) => Bun.file(at(name)).text();

/** A key and a certificate for `name`, signed by `by` or by itself. */
function certificate(name: string, by?: string): void {
  const issuer = by ? ["-CA", at(`${by}.crt`), "-CAkey", at(`${by}.key`)] : [];
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
  const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", at(`${name}.key`), "-out", at(`${name}.crt`)];
  const made = Bun.spawnSync([
    openssl as string,
    ...request.split(" "),
    ...names,
    ...files,
    ...issuer,
  ]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
}

interface TlsPeer {
  socket: TLSSocket;
  text: () => string;
  closed: () => boolean;
}

async function dialTls(port: number, options: ConnectionOptions = {}): Promise<TlsPeer> {
  let text = "";
  let closed = false;
  let secure = false;
  const socket = connect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...options,
  });
  socket.setEncoding("utf8");
  socket.on("secureConnect", () => {
    secure = true;
  });
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
  });
  socket.on("end", () => {
    closed = true;
  });
  await until(() => secure || closed);
  return { socket, text: () => text, closed: () => closed };
}

describe.skipIf(!openssl)("with TLS", () => {
  let server: Booted;
  const tls = { cert: at("one.crt"), key: at("one.key") };

  beforeAll(() => {
    for (const name of ["one", "two", "authority", "unknown"]) certificate(name);
    certificate("agent", "authority");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => server.stop());

  async function joined(count: number, options: ConnectionOptions = {}): Promise<TlsPeer> {
    const peer = await dialTls(server.port(), options);
    await until(() => server.stats()["clients"] === count);
    return peer;
  }

  test("lines go from client to client, and a stop says good-bye", async () => {
    server = await boot("relay", { tls });
    const a = await joined(1);
    const b = await joined(2);
    a.socket.write("hello\n");
    await until(() => b.text().endsWith("\n"));
    expect(JSON.parse(b.text()).content).toBe("hello");
    await server.stop();
    await until(() => a.closed() && b.closed());
    expect(a.text()).toBe("Warning: Server is shutting down.\n");
  });

  test("a reader that falls behind gets every byte in order", async () => {
    server = await boot("relay", {
      tls,
      version: "python",
      relay: { max_line_bytes: 200_000 },
    });
    const a = await joined(1);
    const b = await joined(2);
    b.socket.pause();
    const total = 120;
    for (let i = 0; i < total; i++) a.socket.write(`${i}:${"x".repeat(100_000)}\n`);
    await until(() => (server.stats()["pinned_bytes"] as number) > 1_000_000);
    b.socket.resume();
    await until(() => b.text().split("\n").length === total + 1);
    const lines = b.text().trimEnd().split("\n");
    lines.forEach((line, i) => {
      expect(JSON.parse(line).content).toBe(`${i}:${"x".repeat(100_000)}`);
    });
    expect(server.stats()["pinned_bytes"]).toBe(0);
  });

  test("a peer that does not complete the handshake is closed in ten seconds and never a client", async () => {
    server = await boot("relay", { tls });
    const silent = await dial(server.port());
    await until(() => server.stats()["accepted"] === 1);
    server.clock.advance(9_900);
    expect(server.stats()["closed_handshake"]).toBe(0);
    server.clock.advance(500);
    await silent.closed;
    expect(server.stats()).toMatchObject({ clients: 0, closed_handshake: 1 });
  });

  test("plain text is not TLS", async () => {
    server = await boot("relay", { tls });
    const bystander = await joined(1);
    const plain = await dial(server.port());
    plain.send("hello\n");
    await plain.closed;
    expect(server.stats()).toMatchObject({ clients: 1, closed_handshake: 1 });
    expect(bystander.closed()).toBe(false);
  });

  test("with client certificates only an authorised client gets in", async () => {
    server = await boot("relay", {
      tls: { ...tls, ca: at("authority.crt"), require_client_cert: true },
    });
    const [key, cert] = [await read("agent.key"), await read("agent.crt")];
    const agent = await joined(1, { key, cert });
    const nobody = await dialTls(server.port());
    await until(nobody.closed);
    const unknown = await dialTls(server.port(), {
      key: await read("unknown.key"),
      cert: await read("unknown.crt"),
    });
    await until(unknown.closed);
    expect(server.stats()).toMatchObject({ clients: 1, closed_handshake: 2 });
    const second = await joined(2, { key, cert });
    second.socket.write("in\n");
    await until(() => agent.text() !== "");
    expect(JSON.parse(agent.text()).content).toBe("in");
  });
});
