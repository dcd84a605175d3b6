import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { blocked, collecting, messageOf } from "./collector-suite.ts";
import { ended, openssl, selfSigned } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
const DOORS = ["tcp", "grpc", "http", "syslog", "lines"] as const;

/** Runs `logs send` to its end. */
function send(args: readonly string[], input?: string) {
  const cmd = [process.execPath, program, "logs", "send", ...args];
  const stdin = input === undefined ? "ignore" : Buffer.from(input);
  return ended(Bun.spawn(cmd, { stdin: stdin as "ignore", stdout: "pipe", stderr: "pipe" }));
}

const OPEN = { grpc_port: 0, http: true, syslog: true, lines: true };

describe("logs send", () => {
  for (const door of DOORS) {
    test(`sends by ${door}, and tells what is acknowledged`, async () => {
      const server = await collecting(OPEN);
      const port = `${server.portOf(door)}`;
      const args = ["--door", door, "--port", port, "--level", "error", "--name", "me"];
      const { out, err, code } = await send([...args, "--count", "2", "one", "and two"]);
      expect([err, code]).toEqual(["", 0]);
      const acknowledged = ["syslog", "lines"].includes(door)
        ? "this door acknowledges nothing"
        : "4 acknowledged";
      expect(out).toBe(`127.0.0.1:${port} (${door}): 4 records sent, ${acknowledged}\n`);
      const lines = await server.wrote(4);
      expect(lines.map(messageOf)).toEqual(["one 1", "one 2", "and two 1", "and two 2"]);
      for (const line of lines) {
        expect(line.slice(2 + 34 + 13)).toStartWith("me              ERROR ");
        expect(Date.parse(line.split(" ")[1] as string)).toBeGreaterThan(0);
      }
      await server.drain();
    });
  }

  test("sends the lines of standard input, the last one without a newline too", async () => {
    const server = await collecting({ tcp_only: true });
    const port = `${server.port()}`;
    const text = [...Array(3000).keys()].map((n) => `line ${n} ä`).join("\n");
    const { out, code } = await send(["--port", port], text);
    expect(out).toBe(`127.0.0.1:${port} (tcp): 3000 records sent, 3000 acknowledged\n`);
    expect(code).toBe(0);
    expect(server.lines().map(messageOf)).toEqual(text.split("\n"));
    await server.drain();
  });

  test("tells what is wrong with its command line, and what is not there", async () => {
    const wrong = await send([
      "--door",
      "back",
      "--level",
      "loud",
      "--count",
      "0",
      "--timeout",
      "x",
      "--port",
      "-",
      "m",
    ]);
    for (const flag of ["door", "level", "count", "timeout", "port"]) {
      expect(wrong.err).toContain(`error: --${flag}: found `);
    }
    expect(wrong.code).toBe(2);
    const off = await send(["m"]);
    expect([off.err, off.code]).toEqual([expect.stringContaining("the collector is off in"), 1]);
    const enabled = ["--set", "collector.enabled=true"];
    const closed = await send([...enabled, "--door", "syslog", "m"]);
    expect(closed.err).toContain("the door syslog is closed in");
    const server = await collecting(OPEN);
    const ports = DOORS.map((door) => [door, `${server.portOf(door)}`] as const);
    await server.drain();
    for (const [door, port] of ports) {
      const { err, code } = await send(["--door", door, "--port", port, "m"]);
      expect([door, err, code]).toEqual([
        door,
        expect.stringContaining(`no collector on 127.0.0.1:${port}: `),
        1,
      ]);
    }
  });

  test("fails when the collector does not keep the records in time", async () => {
    const server = await blocked({ tcp_only: true });
    const port = `${server.port()}`;
    const { out, err, code } = await send(["--port", port, "--timeout", "0.2", "m"]);
    expect(out).toBe(`127.0.0.1:${port} (tcp): 1 record sent, 0 acknowledged\n`);
    expect(err).toContain("has not read everything within 0.2 s; --timeout gives it longer");
    expect(code).toBe(1);
    await server.relieve();
    await server.stop();
  });

  test("shows the token where one is asked for, and tells of a refusal", async () => {
    const first = await collecting();
    await first.drain();
    const file = join(first.folder, "token");
    writeFileSync(file, "a-token-of-some-length\n");
    const server = await collecting({ ...OPEN, token_file: file });
    for (const door of ["grpc", "http"] as const) {
      const args = ["--door", door, "--port", `${server.portOf(door)}`];
      const refused = await send([...args, "m"]);
      expect([refused.err, refused.code]).toEqual([
        expect.stringContaining("error: This needs the token"),
        1,
      ]);
      const { err, code } = await send([...args, "--set", `collector.token_file=${file}`, "m"]);
      expect([err, code]).toEqual(["", 0]);
    }
    expect(server.lines()).toHaveLength(2);
    await server.drain();
  });

  test.skipIf(!openssl)("speaks TLS where the settings have it", async () => {
    const first = await collecting();
    await first.drain();
    const { cert, key } = selfSigned(first.folder);
    const server = await collecting({ ...OPEN, tls: { cert, key } });
    const sets = ["--set", `collector.tls.cert=${cert}`, "--set", `collector.tls.key=${key}`];
    for (const door of DOORS) {
      const args = ["--door", door, "--port", `${server.portOf(door)}`];
      const { err, code } = await send([...args, ...sets, door]);
      expect([door, err, code]).toEqual([door, "", 0]);
    }
    const lines = await server.wrote(DOORS.length);
    expect(lines.map(messageOf)).toEqual([...DOORS]);
    await server.drain();
  });
});
