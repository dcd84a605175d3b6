import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
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
import { settings } from "../lib/config/table.ts";
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
import { writeFiles } from "../lib/cli/terminal/write.ts";
import {
  call,
  CLUSTER,
  configOf,
  ENTER,
  folder,
  FREE,
  GUARDED,
  inFolder,
  inTerminal,
  modeOf,
  Person,
  RIGHT,
  SERVICES,
  START,
  TLS,
  written,
  yes,
  busyPort,
  inFolders,
} from "./init-suite.ts";

inFolders();

describe("without questions", () => {
  test("the defaults are the shipped file", async () => {
    const { out, err, code } = await yes();
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
        expect(configOf(file)).toEqual(read(settings, [layer]).config);
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

  test("the shipped file is replaced without --force, but not once a line of it is changed", async () => {
    writeFileSync(inFolder("summoner.toml"), renderToml(settings));
    const { err, code } = await yes("--preset", "chat", ...FREE);
    expect([err, code]).toEqual(["", 0]);
    expect(configOf()).toMatchObject({ ...presets.chat.config, port: 0 });
    writeFileSync(inFolder("summoner.toml"), `${renderToml(settings)}# mine\n`);
    expect((await yes(...FREE)).code).toBe(2);
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
    // With a token in the environment no file is needed.
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
      "web.enabled = false: as in the reference, since server.json does not name it\n",
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

  test("it is converted without --yes where nobody can be asked; --yes is for replacing", async () => {
    writeFileSync(inFolder("server.json"), '{"port": 0, "version": null}');
    const convert = ["init", "--from", "server.json"];
    const { out, err, code } = await call(convert);
    expect([err, code]).toEqual(["", 0]);
    expect(out).toContain('version: null, so the default stands: "python"\n');
    expect(configOf()).toMatchObject({ port: 0, version: "python" });
    writeFileSync(inFolder("server.json"), '{"port": 7}');
    expect(await call(convert)).toEqual({
      out: "",
      err: "error: summoner.toml exists already; --yes replaces it\n",
      code: 2,
    });
    expect(configOf().port).toBe(0);
    const again = await call([...convert, "--yes"]);
    expect([again.err.replaceAll(/warning: [^\n]* at present\n/g, ""), again.code]).toEqual([
      "",
      0,
    ]);
    expect(again.out).toContain("+ port = 7\n");
    expect(configOf().port).toBe(7);
  });

  test("one that says nothing of its version stays plain, and is told so", async () => {
    writeFileSync(inFolder("server.json"), '{"port": 0}');
    const { out } = await yes("--from", "server.json");
    expect(out).toContain(
      'version = "python": as in the reference, since server.json does not name it',
    );
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
    await person.accept(CLUSTER, TLS);
    await person.accept(RIGHT);
    await person.answer(START, "n");
    expect(await person.ends()).toBe(0);
    expect(configOf().hyper_parameters.rate_limit_msgs_per_minute).toBe(120);
    expect(configOf().web.enabled).toBe(false);
  });
});

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
  // An answer that repeats the value in force is left out.
  expect(answered(draft, rate, 1000).answers).toEqual(new Map([[name, "here"]]));
});

test("everything that is asked about stands in the table", () => {
  for (const path of GUARDS) expect(OPTIONS.has(path)).toBe(true);
  for (const { name, questions } of servicesOf(settings)) {
    const keys = questions.flatMap((one) =>
      "flags" in one ? one.flags.map(({ key }) => key) : [one.key],
    );
    for (const key of keys) expect(OPTIONS.has(`${name}.${key}`)).toBe(true);
  }
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
    questions: [],
  });
});
