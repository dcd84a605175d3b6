import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { services } from "../index.ts";
import { presets } from "../lib/config/presets.ts";
import { pageRemarks } from "../lib/host/service/check.ts";
import { configOf, ended, openssl, selfSigned } from "./kit.ts";

// `check` and a start find the same, all of it at once, and `check` changes nothing.

const program = join(import.meta.dir, "..", "index.ts");
const root = mkdtempSync(join(tmpdir(), "summoner-check-"));
const children: Bun.Subprocess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(root, { recursive: true }));

/** The words before a command that make its user one without rights. */
const nobody = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--clear-groups"] : [];
/** True if such a user can run the program. */
const canBeNobody =
  process.platform !== "win32" &&
  Bun.which(nobody[0] ?? "test") !== null &&
  Bun.spawnSync([...nobody, "test", "-r", program, "-a", "-x", process.execPath]).success;
if (!canBeNobody)
  console.log("skipped: checks by a user without rights, who cannot run the program");

/** A folder with these files. */
function folderWith(files: Record<string, string | Buffer>): string {
  const folder = mkdtempSync(join(root, "a-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

function spawn(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  children.push(child);
  return child;
}

/** Every service on a free port. */
const FREE = ["--set", "port=0", "--set", "web.port=0", "--set", "store.port=0"];

/** The end of check where every service has a free port. */
const checked = (folder: string) => ended(spawn(folder, ["check", ...FREE]));

/** The findings of check in a folder's summoner.toml, which a start reports as well. */
async function found(
  folder: string,
  args: readonly string[] = FREE,
  env?: Record<string, string>,
): Promise<string[]> {
  const before = snapshotOf(folder);
  const check = await ended(spawn(folder, ["check", ...args], env));
  expect(snapshotOf(folder)).toEqual(before);
  const lines = check.err.trimEnd().split("\n");
  const [last = ""] = lines.splice(-1);
  expect([check.code, check.out]).toEqual([2, ""]);
  expect(last).toBe(`summoner.toml: ${lines.length} problem${lines.length === 1 ? "" : "s"}`);
  const start = await ended(spawn(folder, args, env));
  expect(start.err).toBe([...lines, "Nothing was started.", ""].join("\n"));
  expect(start.out).toBe("");
  expect([1, 2]).toContain(start.code);
  expect(snapshotOf(folder)).toEqual(before);
  return lines.map((line) => line.replace(/^error: /, "").replaceAll(`${folder}/`, ""));
}

/** The files below a folder, with their content. */
function snapshotOf(folder: string): Record<string, string> {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    all.map((one) => {
      const path = join(one.parentPath, one.name);
      return [path, one.isFile() ? readFileSync(path, "base64") : "no file"];
    }),
  );
}

const settings = (text: string, files: Record<string, string | Buffer> = {}) =>
  folderWith({ "summoner.toml": text, ...files });

test("all of it comes at once, with what the settings themselves have", async () => {
  const folder = folderWith({
    "summoner.toml": [
      'prot = 1\nhost = "203.0.113.7"\nport = 8889',
      '[logger]\nenable_file_log = true\nlog_file_path = "plain/logs"\nlog_level = "LOUD"',
      '[tls]\ncert = "gone.crt"\nkey = "gone.key"',
      '[web]\nhost = "0.0.0.0"\ntoken_file = "short"\nstatic = "gone"\nhandler = "gone.ts"\nticker = "./gone.ts"',
      '[store]\nenabled = true\npath = "plain"\ntoken_file = "gone"\nroles_file = "roles.toml"',
    ].join("\n"),
    plain: "",
    short: "sesame\n",
    "roles.toml": 'app = 1\n[b]\ntoken = "short"\n',
  });
  expect(await found(folder, [])).toEqual([
    "summoner.toml:1:1: prot: unknown key; did you mean port?",
    expect.stringMatching(/^summoner\.toml:7:1: logger\.log_level: found "LOUD"/),
    "summoner.toml:6:1: logger.log_file_path: cannot write plain/logs/summoner.log: part of the path is not a folder",
    "summoner.toml:9:1: tls.cert: cannot read gone.crt: there is no such file",
    "summoner.toml:10:1: tls.key: cannot read gone.key: there is no such file",
    "summoner.toml:13:1: web.token_file: short: a token has at least 16 characters",
    "summoner.toml:14:1: web.static: cannot serve gone: there is no such folder",
    "summoner.toml:15:1: web.handler: gone.ts cannot be loaded: there is no such module",
    "summoner.toml:16:1: web.ticker: ./gone.ts cannot be loaded: there is no such module",
    "summoner.toml:20:1: store.token_file: cannot read gone: there is no such file",
    "roles.toml:1:1: app: stands in no role; allowed: a table for each role",
    expect.stringMatching(/^roles\.toml:3:1: b\.token: too short; allowed: text of/),
    "summoner.toml:19:1: store.path: cannot write plain: it is no folder",
    "summoner.toml:2:1: host: 203.0.113.7: this machine does not have that address",
    "web.port (not given): 8889 is the port of the relay too (port); one of them needs another",
  ]);
});

test("what follows from a value that is refused is not told besides", async () => {
  const folder = settings('[tls]\ncert = 1\nkey = "gone"\n[store]\nenabled = true\npath = 7\n');
  expect(await found(folder)).toEqual([
    "summoner.toml:2:1: tls.cert: found 1 (a number); allowed: text",
    "summoner.toml:6:1: store.path: found 7 (a number); allowed: text that is not empty",
  ]);
});

test("nothing is told besides of a file that cannot be parsed", async () => {
  const folder = settings('{"port": 8889, "logger": {"enable_file_log" true}}');
  writeFileSync(join(folder, "server.json"), readFileSync(join(folder, "summoner.toml")));
  const { err, code } = await ended(spawn(folder, ["check", "-c", "server.json"]));
  expect([code, err]).toEqual([
    2,
    'error: server.json:1:45: not valid JSON: expected ":", found "t"\nserver.json: 1 problem\n',
  ]);
});

test("a server with nothing to run is refused, once", async () => {
  const off = "[relay]\nenabled = false\n[web]\nenabled = false\n";
  expect(await found(settings(off))).toEqual([
    "summoner.toml:2:1: relay.enabled: nothing is switched on; set one of these to true: relay.enabled, web.enabled, store.enabled, neuro.enabled, collector.enabled",
  ]);
  expect(await found(settings(`${off}[store]\nenabled = "yes"\n`))).toHaveLength(1);
});

test("the dashboard takes the place of no other built-in path", async () => {
  expect(await found(settings('[web]\ndashboard = "/healthz"\n'))).toEqual([
    "summoner.toml:2:1: web.dashboard: /healthz is a built-in path; choose another",
  ]);
});

test("there is nothing to say of the defaults, the presets and a whole configuration", async () => {
  for (const args of [[], ...Object.keys(presets).map((name) => ["--preset", name])]) {
    const { out, err, code } = await ended(spawn(folderWith({}), ["check", ...args]));
    expect([code, out, err]).toEqual([0, "the defaults: no problems\n", ""]);
  }
  const folder = settings(
    '[web]\nstatic = "site"\nhandler = "./h.ts"\nticker = "t"\n[store]\nenabled = true\nroles_file = "r.toml"\n[logger]\nenable_file_log = true\nlog_file_path = "a/b/c"\n',
    {
      "site/index.html": "",
      "h.ts":
        'import type { T } from "./types-alone.ts";\nexport default { GET: (): T => 1 as T };',
      "t.js": "module.exports = { tick() {} };",
      "r.toml": '[app]\ntoken = "sixteen-letters!"\n',
    },
  );
  const { out, code } = await checked(folder);
  expect([code, out]).toEqual([0, "summoner.toml: no problems\n"]);
  expect(existsSync(join(folder, "a"))).toBe(false);
  expect(existsSync(join(folder, "data"))).toBe(false);
});

describe("ports that collide", () => {
  test("are named by the second service", async () => {
    expect(await found(folderWith({ "summoner.toml": "port = 8889\n" }), [])).toEqual([
      "web.port (not given): 8889 is the port of the relay too (port); one of them needs another",
    ]);
    const all = "port = 9\nweb.port = 9\n[store]\nenabled = true\nport = 9\n";
    expect(await found(folderWith({ "summoner.toml": all }), [])).toEqual([
      "summoner.toml:2:1: web.port: 9 is the port of the relay too (port); one of them needs another",
      "summoner.toml:5:1: store.port: 9 is the port of the relay too (port); one of them needs another",
    ]);
  });

  const hosts = (one: string, other: string) =>
    ended(
      spawn(
        folderWith({
          "summoner.toml": `host = "${one}"\nport = 9999\n[web]\nenabled = false\n[store]\nenabled = true\nhost = "${other}"\nport = 9999\nallow_open = true\n`,
        }),
        ["check"],
      ),
    );

  test.each([
    ["127.0.0.1", "localhost"],
    ["0.0.0.0", "127.0.0.2"],
    ["127.0.0.2", "0.0.0.0"],
    ["::", "127.0.0.1"],
    ["::1", "::"],
    ["[::1]", "::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["0:0::0", "127.0.0.1"],
  ])("%s and %s", async (one, other) => {
    expect((await hosts(one, other)).err).toContain(
      "store.port: 9999 is the port of the relay too",
    );
  });

  test.each([
    ["127.0.0.1", "127.0.0.2"],
    ["::1", "127.0.0.1"],
    ["0.0.0.0", "::1"],
  ])("but not %s and %s", async (one, other) => {
    expect(await hosts(one, other)).toMatchObject({ code: 0, err: "" });
  });

  test("but not of a service that is off, nor a port that is free to choose", async () => {
    const off = "port = 8889\n[web]\nenabled = false\n";
    expect((await ended(spawn(folderWith({ "summoner.toml": off }), ["check"]))).code).toBe(0);
    const free = "port = 0\nweb.port = 0\n";
    expect((await ended(spawn(folderWith({ "summoner.toml": free }), ["check"]))).code).toBe(0);
  });
});

test("a port that is in use is not check's business", async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  const { port } = other.address() as { port: number };
  const folder = folderWith({ "summoner.toml": `port = ${port}\nweb.port = 0\n` });
  expect((await checked(folder)).code).toBe(0);
  other.close();
});

describe("hosts", () => {
  test("that are known by no name, or belong to another machine, each by its key", async () => {
    const folder = settings(
      'host = "203.0.113.7"\n[web]\nhost = "nowhere.invalid"\n[store]\nenabled = true\nhost = "203.0.113.8"\nallow_open = true\n',
    );
    const lines = await found(folder, FREE, { SUMMONER_TOKEN: "sixteen-letters!" });
    expect(lines).toEqual([
      "summoner.toml:1:1: host: 203.0.113.7: this machine does not have that address",
      expect.stringMatching(/^summoner\.toml:3:1: web\.host: nowhere\.invalid: /),
      "summoner.toml:6:1: store.host: 203.0.113.8: this machine does not have that address",
    ]);
  });

  test.skipIf(process.platform !== "linux")(
    "are the service manager's where it hands over the socket",
    async () => {
      // No socket is handed over here; that is found only after the part under test.
      const folder = settings('host = "203.0.113.7"\n');
      const run = `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`;
      const child = Bun.spawn(["sh", "-c", run, process.execPath, program], {
        cwd: folder,
        stdout: "pipe",
        stderr: "pipe",
      });
      const { err } = await ended(child);
      expect(err).toContain("no listening TCP socket");
      expect(err).not.toContain("203.0.113.7");
    },
  );
});

describe("folders to write in", () => {
  const both = (path: string, files: Record<string, string | Buffer> = {}) =>
    settings(
      `[logger]\nenable_file_log = true\nlog_file_path = "${path}"\n[store]\nenabled = true\npath = "${path}"\n`,
      files,
    );
  const told = (log: string, store: string) => [
    `summoner.toml:3:1: logger.log_file_path: cannot write ${log}`,
    `summoner.toml:6:1: store.path: ${store}`,
  ];

  test.each([
    ["plain", "it is no folder"],
    ["plain/a/b", "part of the path is not a folder"],
    ["/dev/null/a", "part of the path is not a folder"],
    [`a/${"x".repeat(256)}`, "a name is too long"],
    ["a\\u0000b", "no path holds a zero byte"],
    ...(process.platform === "linux" ? [["/proc/a/b", "nobody makes files there"]] : []),
  ])("that cannot be: %s", async (path, why) => {
    const shown = path?.replace("\\u0000", "\\x00") as string;
    expect(await found(both(path as string, { plain: "" }))).toEqual(
      told(`${shown}/summoner.log: ${why}`, `cannot write ${shown}: ${why}`),
    );
  });

  test("that are links to nothing", async () => {
    const folder = both("link");
    symlinkSync(join(root, "nothing"), join(folder, "link"));
    const why = "it is a link that leads nowhere";
    expect(await found(folder)).toEqual(
      told(`link/summoner.log: ${why}`, `cannot write link: ${why}`),
    );
  });

  test.skipIf(!canBeNobody)("that may not be written", async () => {
    const folder = both("locked/in");
    mkdirSync(join(folder, "locked"), { mode: 0o555 });
    const why = "permission denied";
    const lines = told(`locked/in/summoner.log: ${why}`, `cannot write locked/in: ${why}`);
    expect((await checkedAsNobody(folder)).err).toBe(
      [...lines.map((line) => `error: ${line}`), "summoner.toml: 2 problems", ""].join("\n"),
    );
  });

  test("that hold something else where their files would be", async () => {
    for (const name of ["lock", "journal.1", "snapshot", "manifest", "journal-1"]) {
      const folder = both("own", { [`own/summoner.log/x`]: "", [`own/${name}/x`]: "" });
      const why = "it is a folder";
      expect(await found(folder)).toEqual(
        told(`own/summoner.log: ${why}`, `cannot use own/${name}: ${why}`),
      );
    }
    const folder = both("own", { "own/x": "" });
    Bun.spawnSync(["mkfifo", join(folder, "own", "summoner.log"), join(folder, "own", "lock")]);
    const why = "it is no file";
    const before = readdirSync(join(folder, "own"));
    const { err } = await checked(folder);
    expect(err).toContain(`cannot write own/summoner.log: ${why}`);
    expect(err).toContain(`cannot use own/lock: ${why}`);
    expect(readdirSync(join(folder, "own"))).toEqual(before);
  });

  test("of a server that runs are no problem of check, but of a second start", async () => {
    const folder = both("own");
    const child = spawn(folder, FREE);
    let said = "";
    for await (const bytes of child.stdout) {
      said += new TextDecoder().decode(bytes);
      if (said.includes("store is ready on")) break;
    }
    expect(said).toContain("store is ready on");
    expect(await checked(folder)).toEqual({
      out: "summoner.toml: no problems\n",
      err: "",
      code: 0,
    });
    const second = await ended(spawn(folder, FREE));
    expect([second.code, second.err]).toEqual([
      1,
      "error: summoner.toml:6:1: store.path: cannot use own: another process has it\nNothing was started.\n",
    ]);
  });
});

describe.skipIf(!openssl)("certificates", () => {
  test("are told by the setting of the service that they are for, and once", async () => {
    const folder = settings(
      '[tls]\ncert = "localhost.crt"\nkey = "localhost.key"\n[store]\nenabled = true\n[store.tls]\ncert = "localhost.key"\n[web.tls]\nkey = "garbage.pem"\n',
      { "garbage.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" },
    );
    selfSigned(folder);
    expect(await found(folder)).toEqual([
      "summoner.toml:9:1: web.tls.key: garbage.pem holds a private key that cannot be read",
      "summoner.toml:7:1: store.tls.cert: localhost.key holds a private key, no certificate",
    ]);
  });

  test("of a service that is off are nobody's business", async () => {
    const folder = settings('[store.tls]\ncert = "gone"\nkey = "gone"\n');
    expect((await checked(folder)).code).toBe(0);
  });
});

describe("modules", () => {
  test("are looked at, not run", async () => {
    const touch = 'import { writeFileSync } from "node:fs";\nwriteFileSync("ran", "");\n';
    const folder = settings('[web]\nhandler = "./h.ts"\nticker = "./t.ts"\n', {
      "h.ts": `${touch}export default { GET() {} };`,
      "t.ts": `${touch}export default { tick() {} };`,
    });
    expect((await checked(folder)).code).toBe(0);
    expect(existsSync(join(folder, "ran"))).toBe(false);
  });

  test.each([
    ["export default {", /^1:\d+: Expected/],
    ["const a = ;\nexport default a", /^1:\d+: Unexpected ;/],
    ["export const GET = 1;", /^it has no default export$/],
    [
      'import { x } from "./x.ts";\nexport default { GET: x };',
      /^it imports \.\/x\.ts, which is not there$/,
    ],
    ['export * from "./h.ts";', /^it has no default export$/],
  ])("that cannot be loaded: %j", async (code, why) => {
    const folder = settings('[web]\nhandler = "./h.ts"\nticker = "t.js"\n', {
      "h.ts": code,
      "t.js": code,
    });
    const lines = await found(folder);
    expect(lines).toHaveLength(2);
    const [handler, ticker] = lines.map((line) => line.split(" cannot be loaded: "));
    expect(handler).toEqual(["summoner.toml:2:1: web.handler: ./h.ts", expect.stringMatching(why)]);
    expect(ticker).toEqual(["summoner.toml:3:1: web.ticker: t.js", expect.stringMatching(why)]);
  });

  test("that are folders, and a site that is a file", async () => {
    const folder = settings('[web]\nhandler = "dir"\nstatic = "plain"\n', {
      "dir/x": "",
      plain: "",
    });
    expect(await found(folder)).toEqual([
      "summoner.toml:3:1: web.static: cannot serve plain: it is not a folder",
      "summoner.toml:2:1: web.handler: dir cannot be loaded: there is no such module",
    ]);
  });
});

test("a name of a file that has no end is cut", async () => {
  const folder = settings(`[web]\nstatic = "${"x".repeat(100_000)}"\n`);
  const [line] = await found(folder);
  expect(line).toStartWith("summoner.toml:2:1: web.static: cannot serve xxx");
  expect(line?.length).toBeLessThan(1100);
});

test("tokens, in a file or in the environment", async () => {
  expect(await found(settings(""), FREE, { SUMMONER_TOKEN: "short" })).toEqual([
    "environment: SUMMONER_TOKEN: a token has at least 16 characters",
  ]);
  const folder = settings(
    '[web]\ntoken_file = "."\n[store]\nenabled = true\ntoken_file = "empty"\n',
    {
      empty: "",
    },
  );
  expect(await found(folder)).toEqual([
    "summoner.toml:2:1: web.token_file: cannot read .: it is a folder",
    "summoner.toml:5:1: store.token_file: empty: a token has at least 16 characters",
  ]);
});

test.skipIf(!canBeNobody || process.platform !== "linux")(
  "a port that takes more rights than one has",
  async () => {
    const folder = settings("");
    const { err } = await checkedAsNobody(folder, "--port", "80");
    const problem = "error: --port: port: 80: permission denied\n";
    // Some systems give every port to everybody.
    const open =
      Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) <= 80;
    expect(err).toBe(open ? "" : `${problem}the command line: 1 problem\n`);
  },
);

/** The end of check for a user without rights. */
async function checkedAsNobody(folder: string, ...args: string[]) {
  chmodSync(root, 0o755);
  Bun.spawnSync(["chmod", "-R", "a+rX", folder]);
  const child = Bun.spawn([...nobody, process.execPath, program, "check", ...FREE, ...args], {
    cwd: folder,
    env: { ...process.env, HOME: folder },
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

test("access lists that bar this machine itself are remarked on", async () => {
  const barred = 'port = 0\n[web]\nport = 0\n[access]\nallow = ["10.0.0.0/8"]\n';
  const folder = folderWith({ "summoner.toml": barred });
  const { err, code } = await ended(spawn(folder, ["check"]));
  expect(code).toBe(0);
  for (const name of ["relay", "web"]) {
    expect(err).toContain(
      `warning: the access lists bar this machine (127.0.0.1) from the ${name}:`,
    );
  }
  const open = ["check", "--set", 'access.allow=["127.0.0.0/8"]'];
  expect((await ended(spawn(folder, open))).err).toBe("");
});

test("a brain that is a person is remarked on where nobody could act on the page", async () => {
  const person = "port = 0\n[web]\nport = 0\n[neuro]\nenabled = true\nport = 0\n";
  const remarks = async (...more: string[]) => {
    const folder = folderWith({ "summoner.toml": person, token: "t".repeat(16) });
    const { err, code } = await ended(
      spawn(folder, ["check", ...more.flatMap((one) => ["--set", one])]),
    );
    expect(code).toBe(0);
    return err;
  };
  expect(await remarks()).toBe("");
  expect(await remarks("neuro.brain=web", "web.token_file=token")).toBe("");
  expect(await remarks("neuro.brain=web", "neuro.enabled=false", "web.enabled=false")).toBe("");
  expect(await remarks("neuro.brain=web", "web.enabled=false")).toBe(
    "warning: neuro.brain: a person plays in the dashboard, but nothing serves the page: set web.enabled to true\n",
  );
  expect(await remarks('neuro.brains=["Chess=web"]')).toBe(
    "warning: neuro.brains: a person plays in the dashboard, but nobody may act there without a token: set SUMMONER_TOKEN or web.token_file\n",
  );
});

test("a program that has no service with a page says what to start instead", () => {
  const config = configOf({ neuro: { enabled: true, brain: "web" } });
  expect(pageRemarks({ neuro: services["neuro"]! }, config)).toEqual([
    "neuro.brain: a person plays in the dashboard, but nothing serves the page: start the server with all of its services",
  ]);
});
