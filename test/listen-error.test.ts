import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boot } from "./kit.ts";

const folder = mkdtempSync(join(tmpdir(), "summoner-listen-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The message of a start that these settings make fail. */
async function refusal(
  name: string | readonly string[],
  settings: Record<string, unknown>,
): Promise<string> {
  try {
    const server = await boot(name, settings);
    await server.stop();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${String(name)} has started`);
}

describe.each(["relay", "web", "store"])("a %s that cannot listen", (name) => {
  const token = join(folder, "token");
  writeFileSync(token, "sixteen-letters!\n");
  const garbage = join(folder, "garbage.pem");
  writeFileSync(garbage, "no certificate\n");
  const gone = join(folder, "gone.pem");
  const missing = `cannot read ${gone}: there is no such file`;

  const noKey = `${garbage} holds no PEM, no private key`;
  const noCertificate = `${garbage} holds no PEM, no certificate`;

  test("names the settings of its own TLS", async () => {
    expect(await refusal(name, { [name]: { tls: { cert: gone, key: garbage } } })).toBe(
      `${name}.tls.cert: ${missing}\n${name}.tls.key: ${noKey}`,
    );
    expect(await refusal(name, { [name]: { tls: { cert: garbage, key: gone } } })).toBe(
      `${name}.tls.key: ${missing}\n${name}.tls.cert: ${noCertificate}`,
    );
  });

  test("names the settings of everybody's TLS where that is what it follows", async () => {
    const tls = { cert: gone, key: garbage };
    expect(await refusal(name, { tls })).toBe(`tls.cert: ${missing}\ntls.key: ${noKey}`);
    expect(await refusal(name, { tls, [name]: { tls: { cert: garbage } } })).toBe(
      `${name}.tls.cert: ${noCertificate}\ntls.key: ${noKey}`,
    );
  });

  test("names the host that nothing is known by", async () => {
    const host = "nowhere.invalid";
    const open = { store: { allow_open: true }, web: { token_file: token } };
    const [settings, key] =
      name === "relay"
        ? [{ host }, "host"]
        : [{ [name]: { host, ...open[name as "store" | "web"] } }, `${name}.host`];
    expect(await refusal(name, settings)).toBe(
      `${name}: cannot listen on ${host}:0: nothing is known by that name (settings: ${key})`,
    );
  });

  test("names the port that is in use, where it is set", async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const { port } = other.address() as { port: number };
    const [settings, key] =
      name === "relay" ? [{ port }, "port"] : [{ [name]: { port } }, `${name}.port`];
    expect(await refusal(name, settings)).toBe(
      `${name}: cannot listen on 127.0.0.1:${port}: the port is in use; another program, or this server, listens there: set ${key} to another one (settings: ${key})`,
    );
    other.close();
  });
});

test("busy ports of several services are told together", async () => {
  const others = [createServer(), createServer()];
  const ports: number[] = [];
  for (const other of others) {
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    ports.push((other.address() as { port: number }).port);
  }
  const [port, own] = ports;
  const settings = { port, web: { port: own } };
  const lines = (await refusal(["relay", "web", "store"], settings)).split("\n");
  expect(lines.map((line) => line.split(": the port is in use;")[0])).toEqual([
    `relay: cannot listen on 127.0.0.1:${port}`,
    `web: cannot listen on 127.0.0.1:${own}`,
  ]);
  for (const other of others) other.close();
});
