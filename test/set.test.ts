import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ended, boot, NOBODY } from "./kit.ts";
import { freePort } from "./ports.ts";
import { options, valuesOf } from "./toml-values.ts";

const program = join(import.meta.dir, "..", "index.ts");
const TOKEN = "0123456789abcdef";
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A folder with this summoner.toml, and commands that run in it. */
function folderWith(content: string | Uint8Array) {
  const folder = mkdtempSync(join(tmpdir(), "summoner-edit-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "summoner.toml");
  writeFileSync(file, content);
  return {
    folder,
    file,
    text: () => readFileSync(file, "utf8"),
    async call(args: readonly string[], env: Record<string, string> = {}) {
      const { SUMMONER_TOKEN: _, ...rest } = process.env;
      const child = Bun.spawn([process.execPath, program, ...args], {
        cwd: folder,
        env: { ...rest, ...env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      return ended(child);
    },
  };
}

const done = (out: string) => ({ out, err: "", code: 0 });
const refused = (err: string, code = 2) => ({ out: "", err, code });

test("of a long value the beginning is shown, where it was and where it is", async () => {
  const { call, text } = folderWith(`logger.log_format = "${"y".repeat(1000)}"\n`);
  const value = "x".repeat(100_000);
  expect(await call(["set", "logger.log_format", value])).toEqual(
    done(`logger.log_format: "${"y".repeat(199)}… -> "${"x".repeat(199)}…\n`),
  );
  expect(text()).toContain(value);
  const name = await call(["set", "name", value]);
  expect(name).toEqual(
    refused(
      `error: set: name: found "${"x".repeat(60)}…" (text of 100000 characters); allowed: text of 1 to 64 characters that is not blank\n`,
    ),
  );
});

// Modes, owners and links are not those of Windows.
const onPosix = test.skipIf(process.platform === "win32");

const THROTTLE = "hyper_parameters.backpressure_policy.throttle_threshold";
const PAIR = '[tls]\ncert = "a"\nkey = "b"\n';
const TIMEOUT = "hyper_parameters.client_timeout_secs";

describe("set", () => {
  test("changes the file in place and says what it was and is", async () => {
    const { call, text } = folderWith("\uFEFF# Mine.\r\nport = 1 # p\r\n\r\n[logger]\r\n");
    expect(await call(["set", "port", "9000"])).toEqual(done("port: 1 -> 9000 takes a restart\n"));
    expect(await call(["set", "logger.log_level", "DEBUG"])).toEqual(
      done('logger.log_level: "INFO" -> "DEBUG"\n'),
    );
    expect(await call(["set", "logger.log_keys", '["a"]'])).toEqual(
      done('logger.log_keys: (not given) -> ["a"]\n'),
    );
    expect(await call(["set", "name", "--", "-x-"])).toEqual(
      done('name: "summoner" -> "-x-" takes a restart\n'),
    );
    expect(text()).toBe(
      '\uFEFF# Mine.\r\nport = 9000 # p\r\nname = "-x-"\r\n\r\n[logger]\r\nlog_level = "DEBUG"\r\nlog_keys = ["a"]\r\n',
    );
  });

  test("knows a key by its alias, and never writes both", async () => {
    const { call, text } = folderWith(
      "[hyper_parameters]\nclient_timeout = 1\nrate_limit_msgs_per_minute = 2\n",
    );
    expect((await call(["set", TIMEOUT, "false"])).out).toBe(`${TIMEOUT}: 1 -> false\n`);
    expect((await call(["set", "hyper_parameters.rate_limit", "3"])).out).toBe(
      "hyper_parameters.rate_limit_msgs_per_minute: 2 -> 3\n",
    );
    expect(text()).toBe(
      "[hyper_parameters]\nclient_timeout = false\nrate_limit_msgs_per_minute = 3\n",
    );
    for (const value of ["3", "2"]) {
      const both = folderWith(
        "[hyper_parameters]\nrate_limit = 1\nrate_limit_msgs_per_minute = 2\n",
      );
      expect((await both.call(["set", "hyper_parameters.rate_limit", value])).code).toBe(0);
      expect(both.text()).toBe(
        `[hyper_parameters]\n# rate_limit = 300\nrate_limit_msgs_per_minute = ${value}\n`,
      );
    }
  });

  test("leaves a value that is the same as it is written", async () => {
    const { call, file, text } = folderWith("[logger]\nmax_file_size = 1_000\n");
    utimesSync(file, 1, 1);
    expect(await call(["set", "logger.max_file_size", "1000"])).toEqual(
      done("logger.max_file_size: 1000, as it was\n"),
    );
    expect(await call(["set", "tls", "--default"])).toEqual(
      done("tls: nothing to change in summoner.toml\n"),
    );
    expect(text()).toBe("[logger]\nmax_file_size = 1_000\n");
    expect(statSync(file).mtimeMs).toBe(1000);
  });

  test("--quiet says nothing", async () => {
    const { call, text } = folderWith("");
    expect(await call(["set", "port", "1", "-q"])).toEqual(done(""));
    expect(text()).toBe("port = 1\n");
  });

  test("keys that need one another are set and taken out together", async () => {
    const { call, text } = folderWith("[tls]\n");
    expect(await call(["set", "tls.cert", "a"])).toEqual(
      refused("error: set: tls.cert: given without key; TLS needs both\n"),
    );
    expect((await call(["set", "tls", '{ cert = "a", key = "b" }'])).out).toBe(
      'tls.cert: "" -> "a"\ntls.key: "" -> "b"\n',
    );
    expect(text()).toBe('[tls]\ncert = "a"\nkey = "b"\n');
    expect((await call(["set", "tls", "--default"])).out).toBe(
      'tls.cert: "a" -> ""\ntls.key: "b" -> ""\n',
    );
    expect(text()).toBe('[tls]\n# cert = ""\n# key = ""\n');
  });

  test("--default takes a key out again", async () => {
    const { call, text } = folderWith('version = "python"\nweb.port = 9 # mine\n');
    expect((await call(["set", "version", "--default"])).out).toBe(
      'version: "python" -> "rust" takes a restart\n',
    );
    expect((await call(["set", "web.port", "--default"])).out).toBe(
      "web.port: 9 -> 8889 takes a restart\n",
    );
    expect(text()).toBe('# version = "rust"\n');
    const other = folderWith("port = 8888\n");
    expect((await other.call(["set", "port", "--default"])).out).toBe("port: 8888, as it was\n");
    expect(other.text()).toBe("# port = 8888\n");
  });

  test("secrets are not shown", async () => {
    const { call, text } = folderWith(`${PAIR}passphrase = "old"\n`);
    expect((await call(["set", "tls.passphrase", "new"])).out).toBe(
      'tls.passphrase: "********" -> "********"\n',
    );
    expect((await call(["set", "tls.passphrase", "1"])).err).toBe(
      "error: set: tls.passphrase: found something else; allowed: text\n",
    );
    expect(text()).toBe(`${PAIR}passphrase = "new"\n`);
  });

  test("puts a wrong value right", async () => {
    const { call, text } = folderWith('port = "x"\n');
    expect((await call(["set", "port", "7"])).out).toBe('port: "x" -> 7 takes a restart\n');
    expect(text()).toBe("port = 7\n");
  });

  test.each([
    [["port", "x"], 'set: port: found "x" (text); allowed: a whole number from 0 to 65535'],
    [
      ["logger.log_level", "DEBG"],
      'set: logger.log_level: found "DEBG" (text); allowed: "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"; did you mean "DEBUG"?',
    ],
    [["prot", "1"], "set: prot: unknown key; did you mean port?"],
    [["prot", "--default"], "set: prot: unknown key; did you mean port?"],
    [["client_timeout", "1"], `set: client_timeout: unknown key; did you mean ${TIMEOUT}?`],
    [["logger", "1"], "set: logger: found 1 (a number); allowed: a table of settings"],
    [["tls", "{ kye = 1 }"], "set: tls.kye: unknown key; did you mean key?"],
    [
      [THROTTLE, "301"],
      `set: ${THROTTLE}: 301 is above flow_control_threshold (300), so throttle would never act; lower it or disable one of the two`,
    ],
    [
      ["port"],
      "VALUE: missing; --default goes back to the default instead\nbun run index.ts set --help shows how to call it.",
    ],
    [
      ["port", "1", "--default"],
      "VALUE: not with --default\nbun run index.ts set --help shows how to call it.",
    ],
  ])("%j is refused, and nothing is written", async (args, problem) => {
    const { call, text } = folderWith("# port = 8888\n");
    expect(await call(["set", ...args])).toEqual(refused(`error: ${problem}\n`));
    expect(text()).toBe("# port = 8888\n");
  });

  test("all other problems of the file count, where they stand", async () => {
    const { call, text } = folderWith("port = 1\nprot = 2\n[relay]\nstall_ms = 0\n");
    expect(await call(["set", "port", "x"])).toEqual(
      refused(
        "error: summoner.toml:2:1: prot: unknown key; did you mean port?\n" +
          "error: summoner.toml:4:1: relay.stall_ms: found 0 (a number); allowed: a whole number from 1 to 1000000000\n" +
          'error: set: port: found "x" (text); allowed: a whole number from 0 to 65535\n',
      ),
    );
    expect((await call(["set", "port", "2"])).code).toBe(2);
    expect(text()).toStartWith("port = 1\n");
  });

  test("a file that cannot be edited is one problem", async () => {
    const { call, folder } = folderWith("port = \n");
    const { err, code } = await call(["set", "port", "1"]);
    expect(code).toBe(2);
    expect(err).toStartWith("error: summoner.toml:1:8: not valid TOML: ");
    mkdirSync(join(folder, "inner.toml"));
    writeFileSync(join(folder, "latin1.toml"), Buffer.from("# \xe9\n", "latin1"));
    for (const [file, why] of [
      ["nowhere.toml", "there is no such file; bun run index.ts init writes one"],
      ["inner.toml", "cannot be read: it is a folder"],
      ["latin1.toml", "cannot be read: it is not UTF-8"],
      ["server.json", "only TOML is edited; bun run index.ts init --from server.json converts it"],
    ] as const) {
      expect(await call(["set", "port", "1", "--config", file])).toEqual(
        refused(`error: ${file}: ${why}\n`),
      );
    }
  });

  onPosix("the file is replaced at once, through links, and keeps its mode", async () => {
    const { call, file, folder } = folderWith("port = 1\n");
    chmodSync(file, 0o640);
    // Nobody else may give a file away.
    if (process.getuid?.() === 0) chownSync(file, 1, 2);
    symlinkSync("summoner.toml", join(folder, "link.toml"));
    const { ino, uid, gid } = statSync(file);
    expect((await call(["set", "port", "2", "-c", "link.toml"])).code).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("port = 2\n");
    const now = statSync(file);
    expect([now.mode & 0o7777, now.uid, now.gid]).toEqual([0o640, uid, gid]);
    // Whoever had it open still reads the old one, whole.
    expect(now.ino).not.toBe(ino);
    expect(readdirSync(folder).toSorted()).toEqual(["link.toml", "summoner.toml"]);
    expect(lstatSync(join(folder, "link.toml")).isSymbolicLink()).toBeTrue();
  });

  onPosix("a file that cannot be written stays as it was", async () => {
    const { call, folder } = folderWith("");
    // There is no room for a longer name beside it.
    const name = `${"x".repeat(250)}.toml`;
    writeFileSync(join(folder, name), "port = 1\n");
    const { out, err, code } = await call(["set", "port", "2", "-c", name]);
    expect([out, code]).toEqual(["", 1]);
    expect(err).toStartWith(`error: cannot write ${name}: `);
    expect(readFileSync(join(folder, name), "utf8")).toBe("port = 1\n");
  });
});

describe("set --reload", () => {
  /** A server with a token, and a folder with its configuration. */
  async function served(reload = () => ({ ok: true, outcome: "reloaded, 1 setting changed" })) {
    const server = await boot(
      ["relay", "web"],
      {},
      { operator: { ...NOBODY, reload }, token: TOKEN },
    );
    endings.push(() => server.stop());
    const own = folderWith(`port = ${server.port("relay")}\n[web]\nport = ${server.port("web")}\n`);
    return { server, ...own };
  }
  const env = { SUMMONER_TOKEN: TOKEN };

  test("has the running server read the file that has been written", async () => {
    const read: string[] = [];
    const { call, text } = await served(() => {
      read.push(text());
      return { ok: true, outcome: "reloaded, 1 setting changed" };
    });
    expect(await call(["set", "drain_ms", "7", "--reload"], env)).toEqual(
      done("drain_ms: 5000 -> 7\nreloaded, 1 setting changed\n"),
    );
    expect(read).toEqual([text()]);
    expect(text()).toContain("drain_ms = 7\n");
  });

  test("finds it where the file has said so far", async () => {
    const { call, text } = await served();
    const { out, code } = await call(["set", "web.port", "1", "--reload"], env);
    expect(code).toBe(0);
    expect(out).toEndWith(" -> 1\nreloaded, 1 setting changed\n");
    expect(text()).toContain("port = 1\n");
  });

  test("says what takes a restart by what runs, and so does status until it is taken back", async () => {
    const { call, folder } = folderWith(`port = 0\n[web]\nport = ${await freePort()}\n`);
    const child = Bun.spawn([process.execPath, program], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
    endings.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    const note =
      "\nNote  summoner.toml has other values than those that run, until a restart: name\n";
    const status = async () => (await call(["status"], env)).out;
    while (!(await status()).startsWith("ok: ")) {}
    expect(await status()).not.toContain("Note");
    expect(await call(["set", "name", "other", "--reload"], env)).toEqual(
      done(
        'name: "summoner" -> "other"\nreloaded, 0 settings changed; name as before until a restart\n',
      ),
    );
    expect(await status()).toEndWith(note);
    expect(await call(["set", "drain_ms", "7"], env)).toEqual(done("drain_ms: 5000 -> 7\n"));
    expect(await status()).toEndWith(note);
    expect(await call(["set", "name", "--default", "--reload"], env)).toEqual(
      done('name: "other" -> "summoner"\nreloaded, 1 setting changed\n'),
    );
    expect(await status()).not.toContain("Note");
  }, 30_000);

  test("1 with the reason of a server that refuses", async () => {
    const { call, server, text } = await served(() => ({ ok: false, outcome: "not today" }));
    const { out, err, code } = await call(["set", "drain_ms", "7", "--reload"], env);
    expect([out, code]).toEqual(["drain_ms: 5000 -> 7\n", 1]);
    expect(err).toBe(`error: 127.0.0.1:${server.port("web")} answers 409: not today\n`);
    expect(text()).toContain("drain_ms = 7\n");
    const wrong = { SUMMONER_TOKEN: "wrong-wrong-wrong" };
    expect((await call(["set", "drain_ms", "8", "--reload"], wrong)).err).toContain(
      "answers 401: This token is wrong;",
    );
  });

  test("1 when there is no server", async () => {
    const { call, server } = await served();
    await server.stop();
    const { err, code } = await call(["set", "drain_ms", "7", "--reload"], env);
    expect([err, code]).toEqual([
      `error: no server on 127.0.0.1:${server.port("web")}: nobody listens there\n`,
      1,
    ]);
  });

  test("1 with another way where the web service cannot be asked", async () => {
    const how = (kill: string) =>
      `so the server was not told; ${kill} tells one that runs without a terminal\n`;
    const { call } = await served();
    const { err, code } = await call(["set", "drain_ms", "7", "--reload"]);
    expect([err, code]).toEqual([
      `error: there is no token for the web service (SUMMONER_TOKEN is not set, and web.token_file names none), ${how(`kill -HUP ${process.pid}`)}`,
      1,
    ]);
    const off = folderWith("web.enabled = false\n");
    expect(await off.call(["set", "drain_ms", "7", "--reload"], env)).toEqual({
      out: "drain_ms: 5000 -> 7\n",
      err: `error: the web service is off, ${how("kill -HUP with its process id")}`,
      code: 1,
    });
  });
});

describe("get", () => {
  test("prints an effective value as TOML", async () => {
    const { call } = folderWith(
      'name = "a\\nb"\n[access]\nallow = ["::1"]\n[hyper_parameters]\nrate_limit = 7\n',
    );
    expect(await call(["get", "name"])).toEqual(done('"a\\nb"\n'));
    expect(await call(["get", "name", "--raw"])).toEqual(done("a\nb\n"));
    expect(await call(["get", "access.allow"])).toEqual(done('["::1"]\n'));
    expect(await call(["get", "hyper_parameters.rate_limit"])).toEqual(done("7\n"));
    expect(await call(["get", "drain_ms"])).toEqual(done("5000\n"));
    expect(await call(["get", "logger.log_keys"])).toEqual(done("\n"));
  });

  test("knows all sources", async () => {
    const { call, folder } = folderWith("port = 1\n");
    writeFileSync(join(folder, "other.toml"), "port = 2\n");
    expect((await call(["get", "port", "-c", "other.toml"])).out).toBe("2\n");
    expect((await call(["get", "port", "--port", "3"])).out).toBe("3\n");
    expect((await call(["get", "name", "--set", "name=x"])).out).toBe('"x"\n');
    expect((await call(["get", THROTTLE, "--preset", "strict"])).out).toBe("50\n");
  });

  test("prints a section as it would stand in the file", async () => {
    const { call } = folderWith("[logger]\nbackup_count = 9\n");
    const { out } = await call(["get", "logger"]);
    expect(out).toStartWith('log_level = "INFO"\nenable_console_log = true\n');
    expect(out).toContain("\nbackup_count = 9\n");
    expect(out).toEndWith("\n# log_keys =\n");
    const { out: hyper } = await call(["get", "hyper_parameters"]);
    expect(hyper).toContain("\nbackpressure_policy.throttle_threshold = 100\n");
    expect(Object.keys(valuesOf(`[hyper_parameters]\n${hyper}`))).toEqual(
      [...options.keys()].filter((path) => path.startsWith("hyper_parameters.")),
    );
  });

  test("shows secrets only when told to", async () => {
    const { call } = folderWith(`${PAIR}passphrase = "sesame"\n`);
    expect(await call(["get", "tls.passphrase"])).toEqual(done('"********"\n'));
    expect(await call(["get", "tls.passphrase", "--raw"])).toEqual(done("********\n"));
    expect((await call(["get", "tls"])).out).toContain('passphrase = "********"\n');
    expect(await call(["get", "tls.passphrase", "--show-secrets"])).toEqual(done('"sesame"\n'));
  });

  test.each([
    [["prot"], "get: prot: unknown key; did you mean port?"],
    [["log_level"], "get: log_level: unknown key; did you mean logger.log_level?"],
    [["logger", "--raw"], "--raw: not with a section, and logger is one"],
    [
      ["port", "--set", "port=x"],
      '--set: port: found "x" (text); allowed: a whole number from 0 to 65535',
    ],
  ])("%j is refused", async (args, problem) => {
    expect(await folderWith("").call(["get", ...args])).toEqual(refused(`error: ${problem}\n`));
  });
});
