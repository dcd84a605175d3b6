import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boot } from "./kit.ts";

const folder = mkdtempSync(join(tmpdir(), "summoner-listen-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Why a service does not start with these settings. */
async function refusal(name: string, settings: Record<string, unknown>): Promise<string> {
  try {
    const server = await boot(name, settings);
    await server.stop();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${name} has started`);
}

describe.each(["relay", "web", "store"])("a %s that cannot listen", (name) => {
  const garbage = join(folder, "garbage.pem");
  writeFileSync(garbage, "no certificate\n");
  const gone = join(folder, "gone.pem");
  const missing = `cannot read ${gone}: there is no such file`;

  test("names the setting of its own TLS", async () => {
    const tls = { cert: gone, key: garbage };
    expect(await refusal(name, { [name]: { tls } })).toBe(`${name}.tls.cert: ${missing}`);
    const key = { cert: garbage, key: gone };
    expect(await refusal(name, { [name]: { tls: key } })).toBe(`${name}.tls.key: ${missing}`);
  });

  test("names the setting of everybody's TLS where that is what it follows", async () => {
    const tls = { cert: gone, key: garbage };
    expect(await refusal(name, { tls })).toBe(`tls.cert: ${missing}`);
    const both = { tls: { cert: garbage, key: gone }, [name]: { tls: { cert: garbage } } };
    expect(await refusal(name, both)).toBe(`tls.key: ${missing}`);
  });

  test("names the certificate and the key that do not work", async () => {
    const tls = { cert: garbage, key: garbage };
    const why = await refusal(name, { tls, [name]: { tls: { key: garbage } } });
    expect(why).toStartWith(`${name}: cannot listen on 127.0.0.1:0: `);
    expect(why).toEndWith(` (settings: tls.cert and ${name}.tls.key)`);
  });

  test("names the port that is in use, where it is set", async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const { port } = other.address() as { port: number };
    const [settings, key] =
      name === "relay" ? [{ port }, "port"] : [{ [name]: { port } }, `${name}.port`];
    expect(await refusal(name, settings)).toBe(
      `${name}: cannot listen on 127.0.0.1:${port}: the port is in use (settings: ${key})`,
    );
    other.close();
  });
});
