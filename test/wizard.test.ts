import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../lib/config/load.ts";
import { presets, type PresetName } from "../lib/config/presets.ts";
import { read } from "../lib/config/read.ts";
import { renderToml } from "../lib/config/render.ts";
import { SCHEMA_FILE } from "../lib/config/schema.ts";
import { settings } from "../lib/config/table.ts";
import { GUARDS } from "../lib/cli/wizard/draft.ts";
import { openssl, selfSigned } from "./kit.ts";
import {
  ADDRESSES,
  call,
  CLEAR,
  CLUSTER,
  configOf,
  CTRL_C,
  DOWN,
  ENTER,
  folder,
  FREE,
  fresh,
  GUARDED,
  inFolder,
  inTerminal,
  modeOf,
  PAIR,
  Person,
  program,
  PURPOSE,
  RIGHT,
  SERVICES,
  START,
  TLS,
  TOKEN,
  written,
  busyPort,
  inFolders,
} from "./init-suite.ts";

inFolders();

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
    await person.accept(CLUSTER, TLS, TOKEN);
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

  describe("asks who plays", () => {
    const PLAYER = "Who plays the games?";
    const REST = [GUARDED, CLUSTER, TLS, TOKEN, RIGHT];
    const NEURO = ["--set", "neuro.enabled=true", "--set", "neuro.port=0"];
    const begun = async (): Promise<Person> => {
      const person = new Person([...FREE, ...NEURO]);
      await person.accept(PURPOSE, SERVICES, ...ADDRESSES, "neuro: host", "neuro: port");
      return person;
    };
    const written = async (person: Person) => {
      await person.accept(...REST);
      await person.answer(START, "n");
      expect(await person.ends()).toBe(0);
      return configOf().neuro;
    };

    inTerminal("and Enter means chance", async () => {
      const person = await begun();
      await person.accept(PLAYER);
      expect(await written(person)).toMatchObject({ enabled: true, port: 0, brain: "random" });
    });

    inTerminal("and of a model where it is and which", async () => {
      const person = await begun();
      await person.answer(PLAYER, DOWN, DOWN, ENTER);
      await person.answer("Where is the model?", "127.0.0.1", ENTER);
      await person.sees("found 127.0.0.1; allowed: an http or https URL");
      person.press(CLEAR, "https://model.example/v1", ENTER);
      await person.answer("Which model is it?", ENTER);
      await person.sees("a model has to be named");
      person.press(CLEAR, "small", ENTER);
      const llm = { base_url: "https://model.example/v1", model: "small" };
      expect(await written(person)).toMatchObject({ brain: "llm", llm });
    });

    inTerminal("and of a scenario or a module for its file", async () => {
      const person = await begun();
      await person.answer(PLAYER, DOWN.repeat(4), ENTER);
      await person.answer("Which file is the scenario?", "<");
      await person.answer(PLAYER, DOWN, ENTER);
      await person.answer("A module of yours", ENTER);
      await person.sees("allowed: ");
      person.press("<");
      await person.answer(PLAYER, DOWN, ENTER);
      await person.answer("A module of yours", "./mine.ts", ENTER);
      await person.answer(GUARDED, "<");
      await person.answer(PLAYER, ENTER);
      await person.answer("A module of yours", ENTER);
      expect(await written(person)).toMatchObject({ brain: "./mine.ts" });
    });
  });

  describe("asks how logs come", () => {
    const DOORS = "How do programs send their logs, besides gRPC?";
    const ALLOWED = "Which addresses may send?";
    const REST = [GUARDED, CLUSTER, TLS, TOKEN, RIGHT];
    const COLLECTOR = ["--set", "collector.enabled=true", "--set", "collector.port=0"];
    const OWN = ["collector: host", "collector: port"];
    const written = async (person: Person) => {
      await person.accept(...REST);
      await person.answer(START, "n");
      expect(await person.ends()).toBe(0);
      return configOf().collector;
    };

    inTerminal("and Enter means as it was", async () => {
      const person = new Person([...FREE, ...COLLECTOR]);
      await person.accept(PURPOSE, SERVICES, ...ADDRESSES, ...OWN, DOORS);
      const doors = { tcp: true, http: false, syslog: false, lines: false };
      expect(await written(person)).toMatchObject({ enabled: true, ...doors });
    });

    inTerminal("and takes any of them, but not none at all", async () => {
      const person = new Person([...FREE, ...COLLECTOR, "--set", "collector.tcp_only=true"]);
      await person.accept(PURPOSE, SERVICES, ...ADDRESSES, ...OWN);
      await person.answer(DOORS, " ", ENTER);
      await person.sees("nothing could be collected");
      await person.answer(DOORS, " ", DOWN, DOWN, " ", DOWN, " ", ENTER);
      const doors = { tcp: false, http: false, syslog: true, lines: true };
      expect(await written(person)).toMatchObject(doors);
    });

    inTerminal("and who may send, where others than this machine can", async () => {
      const person = new Person([...FREE, ...COLLECTOR]);
      await person.accept(PURPOSE, SERVICES, ...ADDRESSES);
      await person.answer("collector: host", CLEAR, "0.0.0.0", ENTER);
      await person.accept("collector: port", DOORS);
      await person.answer(ALLOWED, ENTER);
      await person.sees("0.0.0.0 is not loopback");
      person.press("10.0.0, 1", ENTER);
      await person.sees("found 10.0.0, 1; allowed: a list of addresses or CIDR ranges");
      person.press(CLEAR, "10.0.0.0/8, 192.168.1.5", ENTER);
      const allow = ["10.0.0.0/8", "192.168.1.5"];
      expect(await written(person)).toMatchObject({ host: "0.0.0.0", access: { allow } });
    });
  });

  inTerminal("Enter at each question replaces the shipped file", async () => {
    writeFileSync(inFolder("summoner.toml"), renderToml(settings));
    const person = new Person(FREE);
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER, TLS, TOKEN, RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect(configOf().port).toBe(0);
  });

  inTerminal("cancelled at any step it leaves nothing behind", async () => {
    const { cert, key } = openssl ? selfSigned(fresh()) : { cert: program, key: program };
    const main: [question: string, ...keys: string[]][] = [
      [PURPOSE, ENTER],
      [SERVICES, ENTER],
      ...ADDRESSES.map((question) => [question, ENTER] as [string, string]),
      [GUARDED, ENTER],
      [CLUSTER, ENTER],
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
      [...main.slice(0, -2), [GUARDED, DOWN, ENTER], ["rate_limit_msgs_per_minute", ENTER]],
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
  });

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
    await person.accept(GUARDED, CLUSTER);
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
      const questions = [PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER, TLS];
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
        read(settings, [{ name: "", values: { port: 0, web: { port: 0 } } }]).config,
      );
      // The second run has nothing to write.
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
    await person.accept(GUARDED, CLUSTER, TLS, TOKEN, RIGHT);
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
    await person.accept(CLUSTER, TLS, TOKEN, RIGHT);
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
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER, TLS);
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
    await person.accept(GUARDED, CLUSTER, TLS, TOKEN, RIGHT);
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
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER, TLS, TOKEN);
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
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
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
    await again.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
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
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
    await person.answer(TLS, DOWN, DOWN, ENTER);
    await person.accept(PAIR);
    await person.answer("relay.tls.cert", ENTER);
    await person.sees("a file is needed");
    person.press("nowhere.pem", ENTER);
    await person.sees("cannot read nowhere.pem: there is no such file");
    person.press(CLEAR, one.key, ENTER);
    await person.sees("holds a private key, no certificate");
    person.press(CLEAR, one.cert, ENTER);
    await person.answer("relay.tls.key", other.key, ENTER);
    await person.sees("is not the key of the certificate in");
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
    await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
    await person.answer(TLS, DOWN, ENTER);
    await person.accept(PAIR);
    await person.answer("tls.cert", cert, ENTER);
    await person.answer("tls.key", locked, ENTER);
    await person.answer("tls.passphrase", "wrong", ENTER);
    await person.sees("does not open");
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
