import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dial, ended, until } from "./kit.ts";
import { inFolders, inTerminal, Person } from "./init-suite.ts";

// A service is added to a copy of the program; what else it needs has to follow by itself.

inFolders();

const root = join(import.meta.dir, "..");
const copy = mkdtempSync(join(tmpdir(), "summoner-sixth-"));
afterAll(() => rmSync(copy, { recursive: true }));

/** The files that a contributor writes. */
const WRITTEN = {
  "lib/config/sections/tally.ts": `import { flag, text, whole } from "../option.ts";
import { section } from "../section.ts";
import { ownAccess } from "./access.ts";
import { connectedClients } from "./limits.ts";
import { ownTls } from "./tls.ts";

export const tally = section("Counts lines over TCP.", {
  enabled: flag(false, "Whether the tally runs."),
  host: text("127.0.0.1", "Address it listens on."),
  port: whole(8895, [0, 65535], "Its TCP port; 0 takes a free one."),
  ...connectedClients,
  tls: ownTls("the tally"),
  access: ownAccess("the tally"),
});
`,
  "lib/services/tally/tally.ts": `import { placeOf } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import type { Service } from "../../host/service.ts";
import { counter } from "../../host/stats.ts";
import { Admission } from "../../net/admission.ts";
import { CLIENT_STATS, Clients, CLOSE_STATS } from "../../net/clients.ts";
import { LineClient, type LineProtocol, takeLines } from "../../net/line-clients.ts";
import { Listener } from "../../net/listen.ts";
import { Pinned } from "../../net/outbox.ts";

/** Answers each line with how many there have been. */
export const tally: Service<Config> = (config, host) => {
  const place = placeOf(config, "tally");
  const pinned = new Pinned();
  let counted = 0;
  const protocol: LineProtocol<LineClient> = {
    maxLineBytes: 1024,
    create: (accepted) => new LineClient(accepted, pinned),
    received: (client, bytes) => takeLines(protocol, client, bytes),
    lines(client, block) {
      for (const byte of block) if (byte === 10) client.send(\`\${++counted}\\n\`);
      if (client.outbox.bytes > 2 ** 20) clients.closeSlow(client, "Warning: Too slow.\\n");
      return block.length;
    },
    oversize: (client) => client.send("Warning: Your line is too long.\\n"),
  };
  const clients = new Clients(protocol, new Admission(place, host), host);
  const listener = new Listener(place, clients, host);
  host.onReload((next) => listener.configure(placeOf(next, "tally")));
  return {
    addresses: [listener.address],
    declared: { ...CLIENT_STATS, ...CLOSE_STATS, counted: counter("lines", "Lines counted.") },
    stats: () => ({ ...clients.stats(), counted }),
    health: () => listener.health(),
    clients: (query) => clients.page(query),
    kick: (id) => clients.kick(id, "Warning: You have been disconnected.\\n"),
    drain: (deadlineMs) => listener.drain(deadlineMs, "Warning: Server is shutting down.\\n"),
  };
};
`,
  "test/rows/tally.ts": `import { TURNED_AWAY } from "../../lib/net/admission.ts";
import { CLOSES, type Row, saying } from "../row.ts";

export const row: Row = {
  call: saying(""),
  counts: CLOSES,
  notices: {
    ...TURNED_AWAY,
    kicked: "Warning: You have been disconnected.\\n",
    shutdown: "Warning: Server is shutting down.\\n",
  },
};
`,
};

/** The lines that a contributor adds to two tables. */
const LINES: readonly [path: string, before: RegExp, after: string][] = [
  [
    "lib/config/table.ts",
    /\n(?=import \{ tlsOf \})/,
    '\nimport { tally } from "./sections/tally.ts";\n',
  ],
  ["lib/config/table.ts", /(\nconst services = \{[^}]*?),?\s*\};/, "$1, tally };"],
  [
    "index.ts",
    /(\nexport const services\b[^}]*?),?\s*\};/,
    '$1, tally: late(() => require("./lib/services/tally/tally.ts").tally) };',
  ],
];

const read = (folder: string, path: string) => readFileSync(join(folder, path), "utf8");

beforeAll(() => {
  const left = new Set(["node_modules", ".git", "dist", "data"].map((name) => join(root, name)));
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(path) });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction");
  for (const [path, text] of Object.entries(WRITTEN)) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    writeFileSync(join(copy, path), text);
  }
  for (const [path, before, after] of LINES) {
    const text = read(copy, path);
    expect(text).toMatch(before);
    writeFileSync(join(copy, path), text.replace(before, after));
  }
});

/** Files of the copy that are not as they are here. */
function touched(): string[] {
  const found = [...new Bun.Glob("**/*").scanSync({ cwd: copy, dot: true, followSymlinks: false })];
  return found
    .filter((path) => !existsSync(join(root, path)) || read(root, path) !== read(copy, path))
    .toSorted();
}

/** Runs Bun in the copy. */
async function run(words: readonly string[]) {
  const { SUMMONER_TOKEN: _, ...env } = process.env;
  const child = Bun.spawn([process.execPath, ...words], {
    cwd: copy,
    env: { ...env, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

const summoner = (...words: string[]) => run(["index.ts", ...words]);
const WITH_TALLY = ["--set", "tally.enabled=true"];

test("is a section, a service, a line in two tables, and a row of tests", () => {
  expect(touched()).toEqual(
    [...Object.keys(WRITTEN), "index.ts", "lib/config/table.ts"].toSorted(),
  );
});

test("has the right types, and stands in nobody's way", async () => {
  const types = await run(["check"]);
  expect([types.out, types.code]).toEqual(["", 0]);
  const { err, code } = await run(["test", "test/imports.test.ts"]);
  expect([code, err]).toEqual([0, expect.stringContaining("\n 0 fail\n")]);
});

test("behaves as all services do", async () => {
  const { err, code } = await run(["test", "test/service.test.ts"]);
  expect([code, err]).toEqual([0, expect.stringContaining("\n 0 fail\n")]);
  const passed = (name: string) => err.split(`: > ${name} > `).length - 1;
  expect(passed("tally")).toBe(passed("relay"));
  expect(passed("tally")).toBeGreaterThan(10);
});

test("has settings that are checked", async () => {
  expect((await summoner("check", ...WITH_TALLY)).code).toBe(0);
  const half = await summoner("check", ...WITH_TALLY, "--set", "tally.tls.cert=x.pem");
  expect([half.err, half.code]).toEqual([
    expect.stringContaining("tally.tls.cert: given without key; TLS needs both\n"),
    2,
  ]);
  const { out } = await summoner("config", "--reference");
  expect(out).toContain("### `[tally]`\n\nCounts lines over TCP.\n");
  expect(out).toContain("\n| `port` | `8895` | ");
});

test("may listen on a low port under systemd", async () => {
  const unit = async (port: number) => {
    const set = [...WITH_TALLY, "--set", `tally.port=${port}`];
    return (await summoner("service", "systemd", "-c", "summoner.toml", ...set)).out;
  };
  expect(await unit(80)).toContain("\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n");
  expect(await unit(8895)).toContain("\nCapabilityBoundingSet=\n");
});

inTerminal("is among the services that the wizard asks about", async () => {
  const person = new Person([], { index: join(copy, "index.ts") });
  await person.accept("What is this server for?");
  await person.sees("◆ Which services should run?");
  await person.sees("tally");
});

test("is told of while it runs: in /varz, /metrics and /connz, and at the drain", async () => {
  const free = ["port", "web.port", "tally.port"].flatMap((key) => ["--set", `${key}=0`]);
  const child = Bun.spawn(
    [process.execPath, join(copy, "index.ts"), ...WITH_TALLY, "--set", "web.enabled=true", ...free],
    { cwd: copy, stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  try {
    let said = "";
    void (async () => {
      for await (const bytes of child.stdout) said += new TextDecoder().decode(bytes);
    })();
    const ready = (name: string) => new RegExp(`${name} is ready on (\\S+)`).exec(said)?.[1] ?? "";
    await until(() => ready("tally") !== "" && ready("web") !== "");
    const client = await dial(Number(ready("tally").split(":")[1]));
    client.send("one\ntwo\n");
    expect([await client.next(), await client.next()]).toEqual(["1", "2"]);
    const ask = async (path: string) => await (await fetch(new URL(path, ready("web")))).text();
    const { services, config } = JSON.parse(await ask("/varz"));
    expect(services.tally).toMatchObject({
      stats: { clients: 1, counted: 2 },
    });
    expect(config.tally.enabled).toBe(true);
    const metrics = await ask("/metrics");
    expect(metrics).toContain("\nsummoner_tally_counted_lines_total 2\n");
    expect(metrics).toContain('\nsummoner_service_healthy{service="tally"} 1\n');
    expect(JSON.parse(await ask("/connz?service=tally"))).toMatchObject({
      total: 1,
      clients: [{ service: "tally", address: client.address }],
    });
    child.kill("SIGTERM");
    expect(await client.next()).toBe("Warning: Server is shutting down.");
    expect(await child.exited).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
});

test("stands in all that is generated, after one command", async () => {
  expect((await run(["run", "generate", "--check"])).code).toBe(1);
  expect((await run(["run", "generate"])).code).toBe(0);
  expect((await run(["run", "generate", "--check"])).code).toBe(0);
  expect(read(copy, "summoner.toml")).toContain("\n[tally]\n");
  expect(read(copy, "lib/config/README.md")).toContain("### `[tally]`");
  expect(read(copy, "lib/services/tally/README.md")).toStartWith("# Tally\n");
  expect(read(copy, "lib/README.md")).toContain("- [Tally](services/tally/README.md): ");
  const pages = ["test/generate.test.ts", "test/pages.test.ts"];
  const { err, code } = await run(["test", ...pages]);
  expect([code, err]).toEqual([0, expect.stringContaining("\n 0 fail\n")]);
});
