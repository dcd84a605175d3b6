import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOKEN_VARIABLE } from "../lib/config/sections/web.ts";
import { load } from "../lib/config/load.ts";
import { presets, type PresetName } from "../lib/config/presets.ts";
import { read } from "../lib/config/read.ts";
import { renderToml } from "../lib/config/render.ts";
import { flag, whole } from "../lib/config/option.ts";
import { renderSchema, SCHEMA_FILE, SCHEMA_LINE } from "../lib/config/schema.ts";
import { section } from "../lib/config/section.ts";
import { servicesOf } from "../lib/config/services.ts";
import { type Config, settings } from "../lib/config/table.ts";
import { differenceLines } from "../lib/cli/wizard/difference.ts";
import {
  answered,
  begin,
  draftOf,
  givenBy,
  GUARDS,
  OPTIONS,
  rebased,
  valueIn,
} from "../lib/cli/wizard/draft.ts";
import { writeFiles } from "../lib/cli/write.ts";
import { ended, openssl, selfSigned } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
// A wizard is a process of its own, and a test may take several.
setDefaultTimeout(30_000);
const endings: (() => unknown)[] = [];
let folder = "";
beforeEach(() => {
  folder = fresh();
});
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A new empty folder. */
function fresh(): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), "summoner-init-")));
  endings.push(() => rmSync(made, { recursive: true }));
  return made;
}

const inFolder = (name: string) => join(folder, name);
const written = (name: string) => readFileSync(inFolder(name), "utf8");
const modeOf = (name: string) => statSync(inFolder(name)).mode & 0o777;

/** What a file of the folder means; it has no problems. */
function configOf(name = "summoner.toml"): Config {
  const { config, problems } = load(settings, { file: inFolder(name) });
  expect(problems).toEqual([]);
  return config;
}

function environment(more: Record<string, string> = {}) {
  const { [TOKEN_VARIABLE]: _, NO_COLOR: __, ...env } = process.env;
  return { ...env, ...more };
}

/** Runs a command without a terminal. */
async function call(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: folder,
    env: environment(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

const yes = (...args: string[]) => call(["init", "--yes", ...args]);

const DOWN = "\x1b[B";
const ENTER = "\r";
const CTRL_C = "\x03";
/** Clears what was typed. */
const CLEAR = "\x15";

// oxlint-disable-next-line no-control-regex -- these are what a terminal takes as orders.
const ORDER = /\x1b\[[?\d;]*[A-Za-z]/g;

/** `init` on a pseudo-terminal: waits for a question, then presses keys. */
class Person {
  readonly child: Bun.Subprocess;
  raw = "";
  #seen = 0;
  #news = Promise.withResolvers<void>();

  constructor(args: string[] = [], { cwd = folder, cols = 100, env = {} } = {}) {
    const decoder = new TextDecoder();
    this.child = Bun.spawn([process.execPath, program, "init", ...args], {
      cwd,
      env: environment(env),
      terminal: {
        cols,
        rows: 50,
        data: (_, bytes) => {
          this.raw += decoder.decode(bytes, { stream: true });
          this.#news.resolve();
        },
      },
    });
    void this.child.exited.then(() => this.#news.resolve());
    endings.push(async () => {
      this.child.kill("SIGKILL");
      await this.child.exited;
    });
  }

  /** All that was shown, without orders to the terminal. */
  get shown(): string {
    return this.raw.replace(ORDER, "");
  }

  /** Waits until a text is shown after the last one that was waited for, wherever lines are broken. */
  async sees(text: string): Promise<void> {
    const words = text.split(" ").map((word) => word.replace(/[^\w]/g, "\\$&"));
    const pattern = new RegExp(words.join("[\\s│]+"), "g");
    for (;;) {
      this.#news = Promise.withResolvers();
      const over = this.child.exitCode !== null;
      pattern.lastIndex = this.#seen;
      if (pattern.test(this.shown)) break;
      if (over) throw new Error(`it ended without showing ${text}:\n${this.shown}`);
      await this.#news.promise;
    }
    this.#seen = pattern.lastIndex;
  }

  press(...keys: string[]): void {
    this.child.terminal?.write(keys.join(""));
  }

  /** Waits for a question and answers it. */
  async answer(question: string, ...keys: string[]): Promise<void> {
    await this.sees(`◆ ${question}`);
    this.press(...keys);
  }

  /** Takes what is marked, question after question. */
  async accept(...questions: string[]): Promise<void> {
    for (const question of questions) await this.answer(question, ENTER);
  }

  async ends(): Promise<number> {
    return await this.child.exited;
  }
}

const PURPOSE = "What is this server for?";
const SERVICES = "Which services should run?";
const ADDRESSES = ["relay: host", "relay: port", "web: host", "web: port"];
const GUARDED = "Keep these guards, or change one?";
const TLS = "TLS: what is encrypted?";
const PAIR = "Where does the certificate come from?";
const TOKEN = "Which token opens the admin actions?";
const RIGHT = "Is this right?";
const START = "Start the server now?";
/** Whatever listens on the usual ports of this machine is not in the way. */
const FREE = ["--port", "0", "--set", "web.port=0"];

// There are no pseudo-terminals of this kind on Windows.
const inTerminal = test.skipIf(process.platform === "win32");

describe("without questions", () => {
  test("the defaults are the shipped file", async () => {
    const { out, err, code } = await yes("--port", "8888");
    expect([err.replaceAll(/warning: [^\n]* in use at present\n/g, ""), code]).toEqual(["", 0]);
    expect(out).toBe(
      "written: summoner.schema.json, summoner.toml\n  relay  127.0.0.1:8888\n  web    127.0.0.1:8889\nbun run index.ts starts it.\n",
    );
    expect(written("summoner.toml")).toBe(`${SCHEMA_LINE}\n${renderToml(settings)}`);
    expect(written(SCHEMA_FILE)).toBe(renderSchema(settings));
    expect(readdirSync(folder).sort()).toEqual([SCHEMA_FILE, "summoner.toml"]);
  });

  test("every preset is what it is on the command line", async () => {
    await Promise.all(
      (Object.keys(presets) as PresetName[]).map(async (preset) => {
        const file = `${preset}.toml`;
        expect((await yes("-q", "--preset", preset, "-c", file)).code).toBe(0);
        const layer = { name: preset, values: presets[preset].config };
        expect(configOf(file)).toEqual(read(settings, [layer], false).config);
        expect(configOf(file)).toMatchObject(presets[preset].config);
        for (const line of written(file).split("\n")) expect(line.length).toBeLessThan(81);
      }),
    );
    const formatted = Bun.spawnSync(
      [
        process.execPath,
        "fmt",
        "--check",
        ...readdirSync(folder).filter((one) => one.endsWith(".toml")),
      ],
      { cwd: folder },
    );
    expect(formatted.exitCode).toBe(0);
  });

  test("--set, --host and --port stand in the file", async () => {
    const sets = ["--set", "hyper_parameters.client_timeout_secs=false", "--set", "name=here"];
    const { code } = await yes("--host", "127.0.0.2", "--port=0", "--set=web.port=0", ...sets);
    expect(code).toBe(0);
    expect(configOf()).toMatchObject({
      host: "127.0.0.2",
      port: 0,
      name: "here",
      hyper_parameters: { client_timeout_secs: 0 },
    });
    expect(written("summoner.toml")).toContain('\nname = "here"\n');
    expect(written("summoner.toml")).toContain("\n# drain_ms = 5000\n");
  });

  test("says what is wrong with the settings, and writes nothing", async () => {
    const { out, err, code } = await yes("--set", "web.prot=1", "--preset", "chatt");
    expect([out, code]).toEqual(["", 2]);
    expect(err).toContain("error: --set: web.prot: unknown key; did you mean port?\n");
    expect(err).toContain("did you mean chat?\n");
    expect(err).toEndWith("Nothing was written.\n");
    const contradiction = await yes("--set", "tls.cert=x.pem");
    expect(contradiction.err).toContain("tls.cert: given without key; TLS needs both\n");
    expect(contradiction.code).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a file that is there is refused, and with --force replaced after the difference", async () => {
    writeFileSync(inFolder("summoner.toml"), '# mine\nport = 1\n[tls]\npassphrase = "sesame"\n');
    chmodSync(inFolder("summoner.toml"), 0o640);
    const refused = await yes(...FREE);
    expect(refused).toEqual({
      out: "",
      err: "error: summoner.toml exists already; --force replaces it, init without --yes asks\n",
      code: 2,
    });
    const { out, code } = await yes(...FREE, "--force");
    expect(code).toBe(0);
    expect(out).toContain("- # mine\n");
    expect(out).toContain("- port = 1\n");
    expect(out).toContain("+ port = 0\n");
    expect(out).toContain('[tls]\n- passphrase = "********"\n');
    expect(out).not.toContain("sesame");
    expect(out).toMatch(/\nand \d+ lines of comments more\n/);
    expect(configOf().port).toBe(0);
    expect(modeOf("summoner.toml")).toBe(0o640);
  });

  test("a link stays a link", async () => {
    writeFileSync(inFolder("real.toml"), "");
    symlinkSync("real.toml", inFolder("summoner.toml"));
    expect((await yes(...FREE, "--force")).code).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(["real.toml", SCHEMA_FILE, "summoner.toml"]);
    expect(configOf("real.toml").port).toBe(0);
  });

  test("a port in use is told", async () => {
    const port = await busyPort();
    const { err, code } = await yes("--port", String(port), "--set", "web.port=0");
    expect([err, code]).toEqual([`warning: relay: 127.0.0.1:${port} is in use at present\n`, 0]);
  });

  test("a web service that others reach gets a token", async () => {
    const { out, code } = await yes(...FREE, "--set", "web.host=0.0.0.0");
    expect(code).toBe(0);
    const [, token] = /admin token, shown this once: (\S+)\n/.exec(out) ?? [];
    expect(token).toMatch(/^[\w-]{32}$/);
    expect(written("summoner.token")).toBe(`${token}\n`);
    expect(modeOf("summoner.token")).toBe(0o600);
    expect(configOf().web.token_file).toBe("summoner.token");
    // The next time it is there.
    const again = await yes(...FREE, "--set", "web.host=0.0.0.0", "--force");
    expect([again.out.includes("admin token"), again.code]).toEqual([false, 0]);
    expect(written("summoner.token")).toBe(`${token}\n`);
    // Where the environment has one no file is needed.
    const env = { [TOKEN_VARIABLE]: "0123456789abcdef" };
    const args = ["init", "--yes", ...FREE, "--set", "web.host=0.0.0.0", "-c", "other.toml"];
    expect((await call(args, env)).code).toBe(0);
    expect(existsSync(inFolder("other.token"))).toBe(false);
  });

  test("--token makes one anyway, but not where nobody asks for it or over something else", async () => {
    const { out, code } = await yes(...FREE, "--token", "--config", "own.toml");
    expect([out.includes("admin token"), code]).toEqual([true, 0]);
    expect(configOf("own.toml").web.token_file).toBe("own.token");
    const off = await yes("--token", "--set", "web.enabled=false");
    expect([off.err, off.code]).toEqual(["error: --token: the web service is off\n", 2]);
    writeFileSync(inFolder("summoner.token"), "short\n");
    const other = await yes(...FREE, "--token");
    expect([other.err, other.code]).toEqual([
      "error: summoner.token holds no token; --force replaces it\n",
      2,
    ]);
    expect(existsSync(inFolder("summoner.toml"))).toBe(false);
  });

  test("in another folder the files are named so that they are found from anywhere", async () => {
    mkdirSync(inFolder("etc"));
    expect((await yes(...FREE, "--token", "-c", "etc/server.toml")).code).toBe(0);
    const config = configOf("etc/server.toml");
    expect(config.web.token_file).toBe(join(folder, "etc", "server.token"));
  });

  test.each([
    [["--config", "server.json"], "--config: server.json must end in .toml"],
    [
      ["--config", "no/where.toml"],
      "--config: cannot write to the folder no: there is no such file",
    ],
  ])("%j is refused", async (args, problem) => {
    expect(await yes(...args)).toEqual({ out: "", err: `error: ${problem}\n`, code: 2 });
  });
});

test("without a terminal it says what to do instead", async () => {
  expect(await call(["init"])).toEqual({
    out: "",
    err: "error: init needs a terminal; init --yes writes a configuration without questions\n",
    code: 2,
  });
  expect((await call(["init", "--force"])).err).toBe("error: --force: only with --yes\n");
  expect((await call(["init", "--from", "server.json"])).code).toBe(2);
  expect(readdirSync(folder)).toEqual([]);
});

/** A port of this machine on which somebody listens. */
async function busyPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  endings.push(() => server.close());
  return (server.address() as { port: number }).port;
}

describe("from a server.json", () => {
  const reference = {
    host: "127.0.0.1",
    port: 0,
    version: "rust_v1.1.0",
    logger: { log_level: "DEBUG", log_keys: null, colour: "red" },
    hyper_parameters: {
      client_timeout: null,
      rate_limit: 120,
      throttle_delay_ms: null,
      worker_treads: 4,
      backpressure_policy: { throttle_threshold: 900, flow_control_threshold: 300 },
    },
  };

  test("what can be kept is kept, and what changes is named", async () => {
    writeFileSync(inFolder("server.json"), JSON.stringify(reference));
    const { out, err, code } = await yes("--from", "server.json");
    expect([err, code]).toEqual(["", 0]);
    for (const said of [
      "server.json: 8 settings kept\n",
      "logger.log_keys: null, so the default stands: not given\n",
      "hyper_parameters.client_timeout is called client_timeout_secs here\n",
      "hyper_parameters.client_timeout: null is written as 0\n",
      "hyper_parameters.rate_limit is called rate_limit_msgs_per_minute here\n",
      "hyper_parameters.throttle_delay_ms: null, so the default stands: 200\n",
      "enable_throttle = false: from 900 on a stronger rule acts, so it never did\n",
      "logger.colour: ignored, unknown key",
      "hyper_parameters.worker_treads: ignored, unknown key; did you mean worker_threads?\n",
      "web.enabled = false: the reference has no web service\n",
    ]) {
      expect(out).toContain(said);
    }
    const before = load(settings, { object: reference }).config;
    const policy = { ...before.hyper_parameters.backpressure_policy, enable_throttle: false };
    expect(configOf()).toEqual({
      ...before,
      hyper_parameters: { ...before.hyper_parameters, backpressure_policy: policy },
    });
    expect(configOf().version).toBe("rust_v1.1.0");
    expect((await call(["check"])).code).toBe(0);
  });

  test("one that says nothing of its version stays plain, and is told so", async () => {
    writeFileSync(inFolder("server.json"), '{"port": 0}');
    const { out } = await yes("--from", "server.json");
    expect(out).toContain("server.json does not set version, so the relay is the plain backend");
    expect(configOf().version).toBe("python");
    await yes("--from", "server.json", "--set", "version=rust", "--force");
    expect(configOf().version).toBe("rust");
  });

  test("one with problems is refused", async () => {
    writeFileSync(inFolder("server.json"), '{"port": "x"}');
    const { err, code } = await yes("--from", "server.json");
    expect(code).toBe(2);
    expect(err).toStartWith("error: server.json:1:2: port: found");
    expect((await yes("--from", "nowhere.json")).code).toBe(2);
    expect(existsSync(inFolder("summoner.toml"))).toBe(false);
  });

  inTerminal("it is what the wizard begins with", async () => {
    writeFileSync(inFolder("server.json"), JSON.stringify(reference));
    const person = new Person(["--from", "server.json"]);
    await person.sees("server.json: 8 settings kept");
    await person.accept(SERVICES, "relay: host", "relay: port");
    await person.answer(GUARDED, ENTER);
    await person.accept(TLS);
    await person.accept(RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect(configOf().hyper_parameters.rate_limit_msgs_per_minute).toBe(120);
    expect(configOf().web.enabled).toBe(false);
  });
});

describe("the wizard", () => {
  inTerminal("asks, writes, shows the token once and starts the server", async () => {
    const person = new Person();
    await person.answer(PURPOSE, DOWN, ENTER);
    await person.accept(SERVICES, "relay: host");
    await person.answer("relay: port", "0", ENTER);
    await person.accept("web: host");
    await person.answer("web: port", "0", ENTER);
    await person.answer(GUARDED, DOWN, ENTER);
    await person.answer("rate_limit_msgs_per_minute", "0", ENTER);
    await person.sees("allowed: a whole number from 1 to 1000000000");
    person.press(CLEAR, "950", ENTER);
    await person.answer(GUARDED, ENTER);
    await person.accept(TLS, TOKEN);
    await person.sees("To write: summoner.toml, summoner.schema.json, summoner.token");
    await person.accept(RIGHT);
    await person.sees("Written: summoner.token, summoner.schema.json, summoner.toml");
    await person.sees("The admin token, shown this once");
    await person.answer(START, ENTER);
    await person.sees("web is ready on http:");
    const config = configOf();
    expect(config).toMatchObject({
      port: 0,
      hyper_parameters: { rate_limit_msgs_per_minute: 950, throttle_delay_ms: 75 },
      web: { port: 0, token_file: "summoner.token" },
    });
    const token = written("summoner.token").trim();
    expect(person.shown.split(token)).toHaveLength(2);
    expect(modeOf("summoner.token")).toBe(0o600);
    person.press(CTRL_C);
    await person.sees("Server exited cleanly.");
    expect(await person.ends()).toBe(0);
    expect(readdirSync(folder).sort()).toEqual([SCHEMA_FILE, "summoner.token", "summoner.toml"]);
  });

  inTerminal("has every preset, and one question less for each service that is off", async () => {
    const names = Object.keys(presets) as PresetName[];
    await Promise.all(
      names.map(async (preset, i) => {
        const cwd = fresh();
        const person = new Person([], { cwd });
        await person.answer(PURPOSE, DOWN.repeat(i + 1), ENTER);
        // The relay is marked first.
        await person.answer(SERVICES, " ", ENTER);
        await person.accept("web: host");
        await person.answer("web: port", "0", ENTER);
        await person.accept(TLS);
        await person.answer(TOKEN, DOWN, ENTER);
        await person.accept(RIGHT);
        await person.answer(START, "n");
        expect(await person.ends()).toBe(0);
        expect(readdirSync(cwd).sort()).toEqual([SCHEMA_FILE, "summoner.toml"]);
        const { config, problems } = load(settings, { file: join(cwd, "summoner.toml") });
        expect(problems).toEqual([]);
        expect(config).toMatchObject(presets[preset].config);
        expect([config.relay.enabled, config.web.enabled]).toEqual([false, true]);
      }),
    );
  });

  inTerminal(
    "cancelled at any step it leaves nothing behind",
    async () => {
      const { cert, key } = openssl ? selfSigned(fresh()) : { cert: program, key: program };
      const main: [question: string, ...keys: string[]][] = [
        [PURPOSE, ENTER],
        [SERVICES, ENTER],
        ...ADDRESSES.map((question) => [question, ENTER] as [string, string]),
        [GUARDED, ENTER],
      ];
      const toRight: typeof main = [
        [TLS, ENTER],
        [TOKEN, ENTER],
        [RIGHT, ENTER],
      ];
      const toPair: typeof main = [...main, [TLS, DOWN, ENTER], [PAIR, ENTER]];
      const toKey: typeof main = [...toPair, ["tls.cert", cert, ENTER], ["tls.key", key, ENTER]];
      const paths: (typeof main)[] = [
        ...[...main, ...toRight].map((_, i, all) => all.slice(0, i + 1)),
        [...main.slice(0, -1), [GUARDED, DOWN, ENTER], ["rate_limit_msgs_per_minute", ENTER]],
        toPair,
        toKey.slice(0, -1),
        toKey,
      ];
      if (openssl) {
        const toPassphrase: typeof main = [
          ...toKey.slice(0, -1),
          ["tls.key", encrypted(key), ENTER],
          ["tls.passphrase", ENTER],
        ];
        const toMade: typeof main = [...toPair.slice(0, -1), [PAIR, DOWN, ENTER]];
        paths.push(toPassphrase, [...toMade, [TOKEN, ENTER], [RIGHT, ENTER]]);
      }
      const ends = ["\x1b", CTRL_C, "\x04"];
      const walk = async (path: typeof main, i: number) => {
        const cwd = fresh();
        const person = new Person(FREE, { cwd });
        const [last] = path.pop() as [string];
        for (const [question, ...keys] of path) await person.answer(question, ...keys);
        await person.answer(last, ends[i % ends.length] as string);
        await person.sees("Cancelled. Nothing was written.");
        expect(await person.ends()).toBe(1);
        expect(readdirSync(cwd)).toEqual([]);
      };
      // A few at a time.
      const waiting = paths.entries();
      const walker = async () => {
        for (const [i, path] of waiting) await walk(path, i);
      };
      await Promise.all([walker(), walker(), walker(), walker()]);
    },
    30_000,
  );

  inTerminal("goes back with <, and keeps what was answered", async () => {
    const person = new Person(FREE);
    await person.answer(PURPOSE, "<");
    await person.answer(PURPOSE, DOWN, DOWN, DOWN, ENTER);
    await person.answer(SERVICES, "<");
    await person.accept(PURPOSE, SERVICES);
    await person.answer("relay: host", "localhost", ENTER);
    await person.answer("relay: port", "12<");
    await person.accept("relay: host", "relay: port", "web: host", "web: port");
    await person.answer(GUARDED, DOWN, ENTER);
    await person.answer("rate_limit_msgs_per_minute", "77<");
    await person.answer(GUARDED, DOWN, ENTER);
    await person.answer("rate_limit_msgs_per_minute", "91", ENTER);
    await person.answer(GUARDED, "<");
    await person.answer("web: port", "<");
    await person.accept("web: host", "web: port");
    await person.accept(GUARDED);
    await person.answer(TLS, DOWN, ENTER);
    await person.answer(PAIR, "<");
    await person.answer(TLS, "\x1b[A", ENTER);
    await person.answer(TOKEN, "<");
    await person.accept(TLS, TOKEN);
    await person.answer(RIGHT, "<");
    await person.answer(TOKEN, DOWN, ENTER);
    await person.accept(RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    const { host, hyper_parameters, web, tls } = configOf();
    expect([host, web.token_file, tls.cert]).toEqual(["localhost", "", ""]);
    expect(hyper_parameters.rate_limit_msgs_per_minute).toBe(91);
    expect(hyper_parameters.quarantine_cooldown_secs).toBe(900);
  });

  inTerminal(
    "shows what would change in a file that is there, and keeps it unless told",
    async () => {
      const before = '# mine\nversion = "rust"\nport = 0\n[web]\nenabled = true\nport = 0\n';
      writeFileSync(inFolder("summoner.toml"), before);
      const questions = [PURPOSE, SERVICES, ...ADDRESSES, GUARDED, TLS];
      for (const keep of [true, false]) {
        const person = new Person();
        await person.sees("What summoner.toml says now");
        person.press(ENTER);
        await person.accept(...questions.slice(1));
        await person.answer(TOKEN, DOWN, ENTER);
        await person.sees("summoner.toml is there already. This would change:");
        await person.sees("- # mine");
        await person.sees("lines of comments more");
        if (keep) {
          await person.accept(RIGHT);
          await person.sees("Cancelled. Nothing was written.");
          expect(await person.ends()).toBe(1);
          expect(written("summoner.toml")).toBe(before);
        } else {
          await person.answer(RIGHT, "\x1b[A", ENTER);
          await person.sees(`Show all of summoner.toml first`);
          await person.answer(RIGHT, "\x1b[A", "\x1b[A", ENTER);
          await person.sees("Written: summoner.schema.json, summoner.toml");
          await person.answer(START, "n");
          expect(await person.ends()).toBe(0);
        }
      }
      expect(configOf()).toEqual(
        read(settings, [{ name: "", values: { port: 0, web: { port: 0 } } }], false).config,
      );
      // Once more it has nothing to write.
      const person = new Person();
      await person.accept(...questions);
      await person.answer(TOKEN, DOWN, ENTER);
      await person.sees("summoner.toml says all this already.");
      await person.answer(RIGHT, ENTER);
      await person.answer(START, "n");
      expect(await person.ends()).toBe(0);
      expect(readdirSync(folder).sort()).toEqual([SCHEMA_FILE, "summoner.toml"]);
    },
  );

  inTerminal(
    "tells what is wrong with a file that is there, and starts from the defaults",
    async () => {
      writeFileSync(inFolder("summoner.toml"), "prot = 1\n");
      const person = new Person();
      await person.sees("summoner.toml cannot be started from:");
      await person.sees("prot: unknown key; did you mean port?");
      await person.answer(PURPOSE, CTRL_C);
      expect(await person.ends()).toBe(1);
      expect(written("summoner.toml")).toBe("prot = 1\n");
    },
  );

  inTerminal("refuses a port in use and takes another, or the same when told twice", async () => {
    const port = await busyPort();
    const person = new Person(["--set", "web.port=0"]);
    await person.accept(PURPOSE, SERVICES);
    await person.answer("relay: host", "203.0.113.7", ENTER);
    await person.sees("this machine does not have the address 203.0.113.7; choose another");
    person.press(CLEAR, ENTER);
    await person.answer("relay: port", "70000", ENTER);
    await person.sees("found 70000; allowed: a whole number from 0 to 65535");
    person.press(CLEAR, String(port), ENTER);
    await person.sees(`127.0.0.1:${port} is in use`);
    person.press(CLEAR, "0", ENTER);
    await person.answer("web: host", "<");
    await person.answer("relay: port", String(port), ENTER);
    await person.sees("or press Enter again to keep it");
    person.press(ENTER);
    await person.accept("web: host");
    // Two services cannot share one.
    await person.answer("web: port", String(port), ENTER);
    await person.sees(`${port} is the port of the relay already; choose another`);
    person.press(CLEAR, "0", ENTER);
    await person.accept(GUARDED, TLS, TOKEN, RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect([configOf().port, configOf().web.port]).toEqual([port, 0]);
  });

  inTerminal("does not let guards contradict each other", async () => {
    const person = new Person(FREE);
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES);
    const at = GUARDS.findIndex((path) => path.endsWith(".throttle_threshold"));
    await person.answer(GUARDED, DOWN.repeat(at + 1), ENTER);
    await person.answer("throttle_threshold", "400", ENTER);
    await person.answer(GUARDED, ENTER);
    await person.sees("throttle_threshold: 400 is above flow_control_threshold (300)");
    await person.answer(GUARDED, DOWN.repeat(at + 2), ENTER);
    await person.answer("flow_control_threshold", "450", ENTER);
    // The plain backend has no guards to show.
    await person.answer(GUARDED, "\x1b[A", ENTER);
    await person.answer("version", "\x1b[A", ENTER);
    await person.answer(GUARDED, ENTER);
    await person.accept(TLS, TOKEN, RIGHT);
    await person.answer(START, CTRL_C);
    await person.sees("bun run index.ts starts it.");
    expect(await person.ends()).toBe(0);
    const { throttle_threshold, flow_control_threshold } =
      configOf().hyper_parameters.backpressure_policy;
    expect([throttle_threshold, flow_control_threshold]).toEqual([400, 450]);
    expect(configOf().version).toBe("python");
  });

  inTerminal("asks for a token where others reach the web service", async () => {
    writeFileSync(inFolder("summoner.token"), "0123456789abcdef\n");
    const person = new Person([...FREE, "--set", "web.host=0.0.0.0"]);
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, TLS);
    await person.sees(`◆ ${TOKEN}`);
    await person.sees("● The one in summoner.token");
    await person.sees("A new one; it replaces what summoner.token holds");
    person.press(ENTER);
    await person.accept(RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect(person.shown).not.toContain("None, and no admin actions");
    expect(configOf().web).toMatchObject({ host: "0.0.0.0", token_file: "summoner.token" });
    expect(written("summoner.token")).toBe("0123456789abcdef\n");
  });

  inTerminal("fits a terminal of 40 columns", async () => {
    const person = new Person(FREE, { cols: 40 });
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES);
    await person.answer(GUARDED, DOWN, ENTER);
    await person.answer("rate_limit_msgs_per_minute", "x", ENTER);
    await person.sees("found x; allowed: a whole number");
    person.press(CLEAR, "5", ENTER);
    await person.accept(GUARDED, TLS, TOKEN, RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    const lines = person.shown.split(/[\r\n]+/);
    expect(lines.filter((line) => Bun.stringWidth(line) > 40)).toEqual([]);
    expect(configOf().hyper_parameters.rate_limit_msgs_per_minute).toBe(5);
    // Somebody copies it from there.
    expect(person.shown).toContain(written("summoner.token").trim());
  });

  inTerminal("has no colours where NO_COLOR says so", async () => {
    const person = new Person(FREE, { env: { NO_COLOR: "1" } });
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, TLS, TOKEN);
    await person.answer(RIGHT, CTRL_C);
    expect(await person.ends()).toBe(1);
    // oxlint-disable-next-line no-control-regex
    expect(person.raw).not.toMatch(/\x1b\[[\d;]*m/);
  });

  inTerminal.each(["SIGTERM", "SIGINT"] as const)("%s cancels it", async (signal) => {
    const person = new Person(FREE);
    await person.accept(PURPOSE);
    await person.sees(`◆ ${SERVICES}`);
    person.child.kill(signal);
    await person.sees("Cancelled. Nothing was written.");
    expect(await person.ends()).toBe(1);
    expect(person.raw).toContain("\x1b[?25h");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe.skipIf(!openssl || process.platform === "win32")("TLS", () => {
  test("a self-signed pair is made with the file, and works", async () => {
    const person = new Person(FREE);
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED);
    await person.answer(TLS, DOWN, ENTER);
    await person.answer(PAIR, DOWN, ENTER);
    await person.accept(TOKEN);
    await person.sees(
      "To write: summoner.toml, summoner.schema.json, summoner.crt, summoner.key, summoner.token",
    );
    expect(readdirSync(folder)).toEqual([]);
    await person.accept(RIGHT);
    await person.accept(START);
    await person.sees("web is ready on https:");
    const [, port] = /https:\/\/127\.0\.0\.1:(\d+)/.exec(person.shown) ?? [];
    const ca = written("summoner.crt");
    const answer = await fetch(`https://127.0.0.1:${port}/readyz`, { tls: { ca } });
    expect(answer.status).toBe(200);
    person.child.kill("SIGTERM");
    expect(await person.ends()).toBe(0);
    expect(modeOf("summoner.key")).toBe(0o600);
    expect(configOf().tls).toMatchObject({ cert: "summoner.crt", key: "summoner.key" });
    expect((await call(["check"])).code).toBe(0);
    // A key that is there is never replaced.
    const again = new Person();
    await again.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED);
    await again.sees("● As it is now");
    again.press(DOWN, DOWN, DOWN, DOWN, ENTER);
    await again.sees(`◆ ${PAIR}`);
    again.press(ENTER);
    await again.accept("web.tls.cert", "web.tls.key", TOKEN);
    await again.answer(RIGHT, "\x1b[A", "\x1b[A", ENTER);
    await again.answer(START, "n");
    expect(await again.ends()).toBe(0);
    expect(again.shown).not.toContain("A self-signed pair");
    expect(configOf().tls.cert).toBe("");
    expect(configOf().web.tls.cert).toBe("summoner.crt");
  });

  test("files are taken when they are there and belong together", async () => {
    const elsewhere = fresh();
    const [one, other] = [selfSigned(elsewhere, "one"), selfSigned(elsewhere, "other")];
    const person = new Person(FREE);
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED);
    await person.answer(TLS, DOWN, DOWN, ENTER);
    await person.accept(PAIR);
    await person.answer("relay.tls.cert", ENTER);
    await person.sees("a file is needed");
    person.press("nowhere.pem", ENTER);
    await person.sees("cannot read nowhere.pem: there is no such file");
    person.press(CLEAR, one.cert, ENTER);
    await person.answer("relay.tls.key", other.key, ENTER);
    await person.sees("do not work together");
    person.press(CLEAR, one.key, ENTER);
    await person.accept(TOKEN, RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect(configOf().relay.tls).toMatchObject({ cert: one.cert, key: one.key });
    expect(configOf().tls.cert).toBe("");
  });

  test("an encrypted key needs its passphrase, which nobody else may read", async () => {
    const { cert, key } = selfSigned(fresh());
    const locked = encrypted(key);
    const person = new Person(FREE);
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED);
    await person.answer(TLS, DOWN, ENTER);
    await person.accept(PAIR);
    await person.answer("tls.cert", cert, ENTER);
    await person.answer("tls.key", locked, ENTER);
    await person.answer("tls.passphrase", "wrong", ENTER);
    await person.sees("do not work together");
    person.press(CLEAR, "sesame", ENTER);
    await person.accept(TOKEN, RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect(configOf().tls.passphrase).toBe("sesame");
    expect(modeOf("summoner.toml")).toBe(0o600);
    expect(person.shown).not.toContain("sesame");
  });
});

/** The same key under the passphrase `sesame`. */
function encrypted(key: string): string {
  const locked = join(fresh(), "locked.key");
  const order = ["pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:sesame"];
  expect(Bun.spawnSync([openssl as string, ...order]).exitCode).toBe(0);
  return locked;
}

describe("files", () => {
  const file = (name: string, content: string, secret = false) => ({
    path: inFolder(name),
    content,
    secret,
  });
  const nothing = () => ({ path: inFolder("summoner.toml"), content: null });

  test("are all written, or none of them", () => {
    writeFileSync(inFolder("old"), "before");
    mkdirSync(inFolder("in-the-way"));
    const files = [file("new", "a"), file("old", "b", true), file("in-the-way", "c")];
    expect(() => writeFiles(files, nothing())).toThrow(/^cannot write .*; nothing was written$/);
    expect(readdirSync(folder).sort()).toEqual(["in-the-way", "old"]);
    expect(written("old")).toBe("before");
    writeFiles(files.slice(0, 2), nothing());
    expect(readdirSync(folder).sort()).toEqual(["in-the-way", "new", "old"]);
    expect([written("new"), written("old"), modeOf("old")]).toEqual(["a", "b", 0o600]);
  });

  test("are not written over what somebody else has changed meanwhile", () => {
    writeFileSync(inFolder("summoner.toml"), "theirs");
    expect(() => writeFiles([file("summoner.toml", "mine")], nothing())).toThrow(
      /has changed meanwhile; nothing was written$/,
    );
    expect(written("summoner.toml")).toBe("theirs");
  });
});

test("a difference is as short as it can be, line by line under its table", () => {
  const before = "a = 1\nb = 2\n\n[x]\nc = 3\n[x.y]\nd = 4\n";
  expect(differenceLines(before, before)).toEqual([]);
  expect(differenceLines(before, `# new\n${before.replace("d = 4", "d = 5\ne = 6")}`)).toEqual([
    "[x.y]",
    "- d = 4",
    "+ d = 5",
    "+ e = 6",
    "and 1 line of comments more",
  ]);
  expect(differenceLines(before, before.replaceAll("\n", "\r\n"))).toEqual([]);
  expect(differenceLines("", "passphrase = 'x'")).toEqual(['+ passphrase = "********"']);
});

test("a list that is too long for a line takes one for each item", async () => {
  const allow = Array.from({ length: 9 }, (_, i) => `10.${i}.0.0/16`);
  writeFileSync(inFolder("server.json"), JSON.stringify({ access: { allow, deny: ["::1"] } }));
  expect((await yes("--from", "server.json", "--port", "0")).code).toBe(0);
  expect(configOf().access).toEqual({ allow, deny: ["::1"] });
  expect(written("summoner.toml")).toContain('\nallow = [\n  "10.0.0.0/16",\n  "10.1.0.0/16",\n');
  expect(written("summoner.toml")).toContain('\ndeny = ["::1"]\n');
  const check = [process.execPath, "fmt", "--check", "summoner.toml"];
  expect(Bun.spawnSync(check, { cwd: folder }).exitCode).toBe(0);
});

test("another purpose brings its own guards, and keeps the other answers", () => {
  const preset = (name: PresetName) => givenBy(begin({ preset: name }));
  const [rate, name] = [GUARDS[0] as string, "name"];
  let draft = draftOf("chat", preset("chat"));
  draft = answered(answered(draft, rate, 77), name, "here");
  expect([valueIn(draft, rate), valueIn(draft, name)]).toEqual([77, "here"]);
  expect(rebased(draft, "chat", preset("chat"))).toBe(draft);
  const next = rebased(draft, "strict", preset("strict"));
  expect([valueIn(next, rate), valueIn(next, name)]).toEqual([90, "here"]);
  // An answer that says what holds anyway says nothing.
  expect(answered(draft, rate, 1000).answers).toEqual(new Map([[name, "here"]]));
});

test("everything that is asked about stands in the table", () => {
  for (const path of GUARDS) expect(OPTIONS.has(path)).toBe(true);
  const echo = section("Says it again.", {
    enabled: flag(false, "Whether it runs."),
    port: whole(7, [0, 65535], "Its port."),
  });
  expect(servicesOf({ ...settings, echo }).at(-1)).toEqual({
    name: "echo",
    about: "Says it again.",
    enabled: "echo.enabled",
    host: "host",
    port: "echo.port",
    tls: null,
  });
});
