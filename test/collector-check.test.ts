import { describe, expect, onTestFinished, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { services } from "../index.ts";
import { faultsOf } from "../lib/host/service/check.ts";
import { faultText } from "../lib/host/errors.ts";
import { collecting, record } from "./collector-suite.ts";
import { boot, configOf, type Overrides, until } from "./kit.ts";

// What `check` says of a collector, and that a start says the same; what a reload changes.

function temporary(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "collector-check-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

/** Settings of a collector alone, on free ports. */
function settings(own: Overrides): Overrides {
  const ports = { port: 0, grpc_port: 0, http_port: 0, syslog_port: 0, lines_port: 0 };
  const collector = { enabled: true, ...ports, ...own };
  return { relay: { enabled: false }, web: { enabled: false }, collector };
}

async function faults(own: Overrides): Promise<string[]> {
  return (await faultsOf(services, configOf(settings(own)))).map(faultText);
}

/** The reason that a start gives. */
async function refusal(own: Overrides): Promise<string> {
  const server = await boot("collector", settings(own)).catch((error: Error) => error.message);
  if (typeof server === "string") return server;
  await server.stop();
  return "";
}

/** A log with these files beside it. */
function logWith(files: Readonly<Record<string, string>>): string {
  const path = join(temporary(), "_main.log");
  for (const [ending, text] of Object.entries(files)) fs.writeFileSync(path + ending, text);
  return path;
}

describe("a fault that a start would find", () => {
  const wrong: [string, () => Overrides, string][] = [
    [
      "a log of something else",
      () => ({ path: logWith({ "": "dear diary\n" }) }),
      "is no log of the collector: its last line has no number",
    ],
    [
      "rotated files of something else",
      () => ({ path: logWith({ "": "", ".0": "dear diary\n" }) }),
      "is no log of the collector: its last line has no number",
    ],
    [
      "marks of something else",
      () => ({ path: logWith({ "": "0 a\n", ".marks": "x\n" }) }),
      "holds no marks of the collector",
    ],
    ["a folder in place of the file", () => ({ path: temporary() }), "it is a folder"],
    [
      "a folder in place of the marks",
      () => {
        const path = logWith({});
        fs.mkdirSync(`${path}.marks`);
        return { path };
      },
      "it is a folder",
    ],
    ["a folder that nobody writes to", () => ({ path: "/proc/x/_main.log" }), "/proc/x"],
    [
      "a key that is not there",
      () => ({ path: logWith({}), hash_chain: true, hash_key_file: "/nowhere/key" }),
      "/nowhere/key: there is no such file",
    ],
    [
      "a key that is short",
      () => {
        const path = logWith({ ".key": "short\n" });
        return { path, hash_chain: true, hash_key_file: `${path}.key` };
      },
      "a key has at least 16 characters",
    ],
    [
      "a token that is not there",
      () => ({ path: logWith({}), token_file: "/nowhere/token" }),
      "/nowhere/token: there is no such file",
    ],
    [
      "a certificate that is not there",
      () => ({ path: logWith({}), tls: { cert: "/nowhere/cert", key: "/nowhere/key" } }),
      "/nowhere/cert: there is no such file",
    ],
  ];
  for (const [what, own, message] of wrong) {
    test(what, async () => {
      const given = own();
      const found = await faults(given);
      expect(found.filter((one) => one.startsWith("collector."))).toEqual(found);
      expect(found.join("\n")).toContain(message);
      expect(await refusal(given)).toContain(message);
    });
  }

  test("is a port of two doors, but not that of a door that is closed", async () => {
    const path = logWith({});
    const both = { path, syslog: true, lines: true, syslog_port: 40_000, lines_port: 40_000 };
    expect(await faults(both)).toEqual([
      "collector.lines_port: 40000 is the port of the collector too (collector.syslog_port); one of them needs another",
    ]);
    expect(await faults({ ...both, lines: false })).toEqual([]);
    const closed = { path, tcp: false, port: 40_000, grpc_port: 40_000 };
    expect(await faults(closed)).toEqual([]);
    expect(await faults({ ...closed, tcp: true })).toHaveLength(1);
  });

  test("is told once, however many doors have it", async () => {
    const own = { path: logWith({}), host: "nowhere.invalid", allow_open: true, lines: true };
    expect(await faults(own)).toEqual([expect.stringContaining("collector.host: nowhere.invalid")]);
  });

  test("is none in a log that another start has left, and nothing changes", async () => {
    const files = { "": "0 a\n1 b\n2 to", ".marks": 'M 7 "a"\nN 0 \n', ".0": "dear diary\n" };
    const path = logWith(files);
    expect(await faults({ path, hash_chain: true })).toEqual([]);
    for (const [ending, text] of Object.entries(files)) {
      expect(fs.readFileSync(path + ending, "utf8")).toBe(text);
    }
    expect(fs.readdirSync(join(path, ".."))).toHaveLength(3);
    expect(await faults({ path: join(temporary(), "not", "yet", "_main.log") })).toEqual([]);
  });

  test("is no server that runs with the same settings", async () => {
    const server = await collecting();
    onTestFinished(() => server.stop());
    expect(await faults({ path: server.path })).toEqual([]);
    expect(await refusal({ path: server.path })).toContain("another process has it");
  });
});

describe("a reload", () => {
  test("takes other sizes, numbers and ages of files", async () => {
    const server = await collecting();
    onTestFinished(() => server.stop());
    const { path, folder } = server;
    const names = () =>
      fs
        .readdirSync(folder)
        .filter((name) => /log(\.\d+(\.zst)?)?$/.test(name))
        .toSorted();
    let sent = 0;
    const send = async (count: number) => {
      const sender = server.sender();
      for (let n = 0; n < count; n++) sender.send(record({ message: `m${sent++}` }));
      await until(() => server.stats()["written"] === sent);
      sender.end();
    };
    const reload = (own: Overrides) => {
      expect(server.reload({ collector: { path, durability: "always", ...own } })).toEqual([]);
    };
    await send(100);
    expect(names()).toEqual(["_main.log"]);
    reload({ max_file_bytes: 2000, backup_count: 5 });
    await send(100);
    expect(names()).toEqual(["_main.log", ...[0, 1, 2, 3, 4].map((age) => `_main.log.${age}`)]);
    reload({ max_file_bytes: 2000, backup_count: 3 });
    await send(20);
    expect(names()).toEqual(["_main.log", ...[0, 1, 2].map((age) => `_main.log.${age}`)]);
    reload({ max_file_bytes: 2000, backup_count: 3, compress: "zstd" });
    await until(() => {
      server.clock.advance(5000);
      return names().filter((name) => name.endsWith(".zst")).length === 2;
    });
    reload({ max_total_bytes: 2000, backup_count: 3 });
    server.clock.advance(5000);
    expect(names().length).toBeLessThan(4);
    reload({ retention_days: 1, backup_count: 3 });
    for (const name of names()) fs.utimesSync(join(folder, name), 0, 0);
    server.clock.advance(5000);
    expect(names()).toEqual(["_main.log"]);
  });

  test("that names another key for the token is refused when it holds none, and all stays as it was", async () => {
    const folder = temporary();
    const token = join(folder, "token");
    fs.writeFileSync(token, "a token for this test\n");
    const own = { token_file: token };
    const server = await collecting(own);
    onTestFinished(() => server.stop());
    const { path } = server;
    const failures = server.reload({
      collector: { path, durability: "always", token_file: join(folder, "none") },
    });
    expect(failures.join()).toContain("there is no such file");
    expect(server.reload({ collector: { path, durability: "always", ...own } })).toEqual([]);
  });
});
