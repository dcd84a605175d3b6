import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../package.json";
import { optionPaths } from "../lib/config/paths.ts";
import { renderReference, renderToml } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import { ended } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
const folder = mkdtempSync(join(tmpdir(), "summoner-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: string) => writeFileSync(join(folder, name), content);

/** Runs a command line to its end, in a folder without a configuration. */
async function call(...args: string[]) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

/** Starts a server, waits until it is ready, stops it. @returns all it said */
async function start(...args: string[]) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  let out = "";
  for await (const bytes of child.stdout) {
    const before = out;
    out += new TextDecoder().decode(bytes);
    const ready = "is ready on";
    if (out.includes(ready) && !before.includes(ready)) child.kill("SIGTERM");
  }
  const err = await new Response(child.stderr).text();
  return { out, err, code: await child.exited };
}

const NOTHING = "Nothing was started.\n";
const HINT = "bun run index.ts --help shows how to call it.\n";

describe("help and version", () => {
  test.each(["--help", "-h"])("%s tells of commands and options", async (flag) => {
    const { out, err, code } = await call(flag);
    expect([code, err]).toEqual([0, ""]);
    for (const part of [
      "Usage: bun run index.ts [COMMAND] [OPTIONS]",
      "\n  run ",
      "\n  check ",
      "\n  config ",
      "-c, --config PATH",
      "--set KEY=VALUE",
      "--host HOST",
      "--port PORT",
      "Exit code: 0",
    ])
      expect(out).toContain(part);
  });

  test("help of one command", async () => {
    const { out, err, code } = await call("config", "--help");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("Usage: bun run index.ts config [OPTIONS]");
    expect(out).toContain("--defaults");
    expect(out).not.toContain("Commands:");
  });

  test("--version is that of the package", async () => {
    expect(await call("--version")).toEqual({
      out: `${version}\n`,
      err: "",
      code: 0,
    });
  });
});

describe("check", () => {
  test("0 without problems, with or without a file", async () => {
    expect(await call("check")).toEqual({
      out: "the defaults: no problems\n",
      err: "",
      code: 0,
    });
    write("good.toml", "port = 1\n");
    expect(await call("check", "-c", "good.toml")).toEqual({
      out: "good.toml: no problems\n",
      err: "",
      code: 0,
    });
  });

  test("2 with problems, all of them", async () => {
    write("bad.toml", "prot = 1\n[logger]\nbackup_count = -1\n");
    expect(await call("check", "--config=bad.toml", "--port", "x")).toEqual({
      out: "",
      err:
        "error: bad.toml:1:1: prot: unknown key; did you mean port?\n" +
        "error: bad.toml:3:1: logger.backup_count: found -1 (a number); allowed: a whole number from 0 to 10000\n" +
        'error: --port: port: found "x" (text); allowed: a whole number from 0 to 65535\n' +
        "bad.toml: 3 problems\n",
      code: 2,
    });
  });

  test("warnings of a server.json leave it at 0", async () => {
    write("warn.json", '{"colour": 1}');
    expect(await call("check", "-c", "warn.json")).toEqual({
      out: "warn.json: no problems\n",
      err: `warning: warn.json:1:2: colour: ignored, unknown key\nwarning: warn.json: ${AS_REFERENCE}\n`,
      code: 0,
    });
  });
});

/** The note on a file of the reference that does not name these. */
const AS_REFERENCE =
  'what it does not name is as in the reference server: version = "python" (in a summoner.toml "rust"), web.enabled = false (in a summoner.toml true)';

describe("config", () => {
  test("says where each value came from", async () => {
    write("own.toml", 'name = "own"\n[tls]\npassphrase = "sesame"\ncert = "a"\nkey = "b"\n');
    const { out, err, code } = await call(
      "config",
      "-c",
      "own.toml",
      "--port",
      "7",
      "--set",
      "drain_ms=8",
    );
    expect([code, err]).toEqual([0, ""]);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength([...optionPaths(settings)].length);
    expect(out).toMatch(/^name = "own" +# own\.toml:1:1$/m);
    expect(out).toMatch(/^port = 7 +# --port$/m);
    expect(out).toMatch(/^drain_ms = 8 +# --set$/m);
    expect(out).toMatch(/^host = "127\.0\.0\.1" +# default$/m);
    expect(out).toMatch(/^version = "rust" +# default$/m);
    expect(out).toMatch(/^tls\.passphrase = "\*+" +# own\.toml:3:1$/m);
    expect(out).not.toContain("sesame");
  });

  test("of a file of the reference says what it does not name", async () => {
    write("own.json", "{}");
    const { out } = await call("config", "-c", "own.json");
    expect(out).toMatch(/^version = "python" +# the reference$/m);
    expect(out).toMatch(/^web\.enabled = false +# the reference$/m);
  });

  test("2 with problems", async () => {
    const { out, err, code } = await call("config", "--set", "port=x");
    expect([code, out]).toEqual([2, ""]);
    expect(err).toStartWith("error: --set: port: found");
  });

  test("--defaults and --reference come whole through a pipe", async () => {
    expect(await call("config", "--defaults")).toEqual({
      out: renderToml(settings),
      err: "",
      code: 0,
    });
    expect(await call("config", "--reference")).toEqual({
      out: renderReference(settings),
      err: "",
      code: 0,
    });
  });

  test("more than a pipe holds comes whole", async () => {
    const allow = Array.from({ length: 20_000 }, (_, i) => `10.0.0.0/${i % 33}`);
    write("long.json", JSON.stringify({ access: { allow } }));
    const { out, code } = await call("config", "-c", "long.json");
    expect(code).toBe(0);
    expect(out).toContain(`\naccess.allow = ["10.0.0.0/0", "10.0.0.0/1", `);
    expect(out).toMatch(/# long\.json:1:12\naccess\.deny = \[\] +# default\n$/);
    expect(out.match(/10\.0\.0\.0/g)).toHaveLength(20_000);
    const bad = await call("check", ...Array.from({ length: 5000 }, (_, i) => `--unknown-${i}`));
    expect(bad.code).toBe(2);
    expect(bad.err.match(/^error: --unknown-\d+: no such option$/gm)).toHaveLength(5000);
  });

  test("a reader that stops early does not hang it", async () => {
    const child = Bun.spawn([process.execPath, program, "config", "--reference"], {
      stdout: "pipe",
      stderr: "pipe",
    });
    await child.stdout.cancel();
    expect(await child.exited).toBe(0);
    expect(await new Response(child.stderr).text()).toBe("");
  });
});

describe("bad usage", () => {
  test.each([
    [["chek"], "chek: no such command; did you mean check?"],
    [["xyzzy"], "xyzzy: no such command"],
    [["run", "check"], "check: unexpected argument"],
    [["check", "--", "-x"], "-x: unexpected argument"],
    [["--prot=3"], "--prot: no such option; did you mean --port?"],
    [["--prot", "3"], "--prot: no such option; did you mean --port?"],
    [["--xyzzy"], "--xyzzy: no such option"],
    [["-x"], "-x: no such option"],
    [["--defaults"], "--defaults: no such option; it belongs to config"],
    [["--port"], "--port: needs a value, PORT"],
    [["--config="], "--config: needs a value, PATH"],
    [["-c"], "-c: needs a value, PATH"],
    [["--help=yes"], "--help: takes no value"],
    [["check", "--port", "1", "--port", "2"], "--port: given twice"],
  ])("%j", async (args, problem) => {
    const [first = ""] = args;
    const hint = ["run", "check"].includes(first)
      ? HINT.replace("--help", `${first} --help`)
      : HINT;
    expect(await call(...args)).toEqual({
      out: "",
      err: `error: ${problem}\n${hint}`,
      code: 2,
    });
  });

  test("every problem at once", async () => {
    const { err, code } = await call("chek", "more", "--xyzzy", "--port=");
    expect(code).toBe(2);
    expect(err.match(/^error: /gm)).toHaveLength(4);
  });

  test("--set may be repeated", async () => {
    const { code } = await call("check", "--set", "port=1", "--set", "port=2");
    expect(code).toBe(0);
  });
});

describe("a configuration that cannot be used", () => {
  test.each(["check", "config"])("%s: missing", async (command) => {
    const { out, err, code } = await call(command, "-c", "nowhere.toml");
    expect([code, out]).toEqual([2, ""]);
    expect(err.split("\n")[0]).toBe("error: nowhere.toml: cannot be read: there is no such file");
  });

  test("run: missing, a folder, below a file", async () => {
    write("plain", "");
    const { dir } = import.meta;
    for (const [path, why] of [
      ["nowhere.toml", "there is no such file"],
      [dir, "it is a folder"],
      ["plain/summoner.toml", "part of the path is not a folder"],
    ] as const) {
      expect(await call("--config", path)).toEqual({
        out: "",
        err: `error: ${path}: cannot be read: ${why}\nNothing was started.\n`,
        code: 2,
      });
    }
  });

  // The superuser reads everything.
  test.skipIf(process.getuid?.() === 0)("run: not permitted", async () => {
    write("locked.toml", "");
    chmodSync(join(folder, "locked.toml"), 0);
    const { err, code } = await call("--config", "locked.toml");
    expect(code).toBe(2);
    expect(err).toStartWith("error: locked.toml: cannot be read: permission denied\n");
  });

  test("run: with problems nothing is started", async () => {
    write("typo.toml", 'versoin = "rust"\n');
    expect(await call("-c", "typo.toml")).toEqual({
      out: "",
      err: "error: typo.toml:1:1: versoin: unknown key; did you mean version?\nNothing was started.\n",
      code: 2,
    });
  });
});

describe("a start", () => {
  test("without a file is guarded and says how to write one", async () => {
    const { out, err, code } = await start("--port", "0", "--set", "web.port=0");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain(
      "there is no summoner.toml here, so the defaults apply; bun run index.ts init writes one",
    );
    expect(out.match(/relay is ready on 127\.0\.0\.1:\d+\n/g)).toHaveLength(1);
    expect(out.match(/web is ready on http:\/\/127\.0\.0\.1:\d+\/\n/g)).toHaveLength(1);
    expect(out.trimEnd()).toEndWith("Server exited cleanly.");
  });

  test("takes an IPv6 address in brackets", async () => {
    const brackets = ["--host", "[::1]", "--set", "web.host=[::1]"];
    const { out, err, code } = await start(...brackets, "--port", "0", "--set", "web.port=0");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/relay is ready on \[::1\]:\d+\n/);
    expect(out).toMatch(/web is ready on http:\/\/\[::1\]:\d+\/\n/);
  });

  test("says that it is ready even where the console shows no such lines", async () => {
    for (const setting of ["logger.enable_console_log=false", "logger.log_level=ERROR"]) {
      const { out, code } = await start("--port", "0", "--set", "web.port=0", "--set", setting);
      expect(code).toBe(0);
      expect(out).toMatch(
        /^relay is ready on 127\.0\.0\.1:\d+\nweb is ready on http:\/\/127\.0\.0\.1:\d+\/\n$/,
      );
    }
  });

  test("with a file of one line is as without one, but for that line", async () => {
    write("one.toml", 'name = "one"\n');
    const { out, code } = await start("-c", "one.toml", "--port", "0", "--set", "web.port=0");
    expect(code).toBe(0);
    expect(out).toMatch(/^\S+ \S+ INFO +relay is ready on /);
    expect(out).toMatch(/\n\S+ \S+ INFO +web is ready on http:/);
    expect(out).not.toContain("WARNING");
  });

  test("tells what a server.json leaves unsaid", async () => {
    write("old.json", '{"port": 0, "colour": 1, "hyper_parameters": {"worker_threads": 2}}');
    const { out, code } = await start("-c", "old.json");
    expect(code).toBe(0);
    expect(out).toContain("WARNING  old.json:1:13: colour: ignored, unknown key");
    expect(out).toContain(`WARNING  old.json: ${AS_REFERENCE}\n`);
    expect(out.match(/ is ready on /g)).toHaveLength(1);
    expect(out).toContain("relay: 2 threads serve the clients");
  });

  test("on a port in use is one line, and 1", async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const { port } = other.address() as { port: number };
    const { out, err, code } = await call("--port", String(port));
    other.close();
    expect(code).toBe(1);
    expect(err).toMatch(/^error: relay: cannot listen on [^\n]+\n$/);
    expect(err).toContain(`127.0.0.1:${port}`);
    expect(err).toContain("(settings: port)");
    expect(`${out}${err}`).not.toContain("    at ");
  });

  test("on an address of another machine is one line, and 1", async () => {
    const { err, code } = await call("--host", "203.0.113.7", "--port", "0");
    expect([code, err]).toEqual([
      1,
      `error: --host: host: 203.0.113.7: this machine does not have that address\n${NOTHING}`,
    ]);
  });

  test("on a name that does not exist is one line, and 1", async () => {
    const { err, code } = await call("--host", "nowhere.invalid", "--port", "0");
    expect(code).toBe(1);
    expect(err).toStartWith("error: --host: host: nowhere.invalid: ");
    expect(err.split("\n")).toHaveLength(3);
  });

  test("with a log folder that cannot be written is one line, and 1", async () => {
    write("plain", "");
    const { out, err, code } = await call(
      "--port",
      "0",
      "--set",
      "logger.enable_file_log=true",
      "--set",
      "logger.log_file_path=plain/logs",
    );
    expect([code, out]).toEqual([1, ""]);
    expect(err).toBe(
      `error: --set: logger.log_file_path: cannot write plain/logs/summoner.log: part of the path is not a folder\n${NOTHING}`,
    );
  });

  test("with a certificate and a key that cannot be read is a line each, and 1", async () => {
    const { err, code } = await call(
      "--port",
      "0",
      "--set",
      "tls.cert=nowhere.pem",
      "--set",
      "tls.key=nowhere.pem",
    );
    expect(code).toBe(1);
    const missing = "cannot read nowhere.pem: there is no such file";
    expect(err).toBe(
      `error: --set: tls.cert: ${missing}\nerror: --set: tls.key: ${missing}\n${NOTHING}`,
    );
  });

  test("finds the summoner.toml of its folder", async () => {
    const own = mkdtempSync(join(folder, "own-"));
    writeFileSync(join(own, "summoner.toml"), 'name = "found"\n');
    const child = Bun.spawnSync([process.execPath, program, "config"], {
      cwd: own,
    });
    expect(child.stdout.toString()).toMatch(/^name = "found" +# summoner\.toml:1:1$/m);
  });
});

test.skipIf(!Bun.which("sh"))("what is printed comes whole through a shell's pipe", () => {
  const allow = Array.from({ length: 20_000 }, () => "10.0.0.0/8");
  write("long.json", JSON.stringify({ access: { allow } }));
  const piped = Bun.spawnSync(
    ["sh", "-c", `"$0" "$1" config -c long.json | cat`, process.execPath, program],
    { cwd: folder },
  );
  const out = piped.stdout.toString();
  expect(out.match(/10\.0\.0\.0/g)).toHaveLength(20_000);
  expect(out).toMatch(/\naccess\.deny = \[\] +# default\n$/);
});

test.skipIf(process.platform !== "linux")(
  "a full disk behind standard output is one clear line",
  () => {
    const { exitCode, stderr } = Bun.spawnSync(
      ["sh", "-c", `"$0" "$1" config > /dev/full`, process.execPath, program],
      { cwd: folder },
    );
    expect(exitCode).toBe(1);
    expect(stderr.toString()).toBe(
      "error: cannot write to standard output: no space left on device\n",
    );
  },
);
