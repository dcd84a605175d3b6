import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load, remarks } from "../lib/config/load.ts";
import { nearest } from "../lib/config/nearest.ts";
import { jsonPositions } from "../lib/config/positions/json.ts";
import type { Positions } from "../lib/config/positions/positions.ts";
import { tomlPositions } from "../lib/config/positions/toml.ts";
import { valueAt } from "../lib/config/paths.ts";
import { renderReference, renderToml } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import { Access } from "../lib/net/admission/access.ts";
import {
  choices,
  cidrs,
  complaint,
  file,
  flags,
  folder,
  hosts,
  json,
  line,
  numbers,
  options,
  problems,
  root,
  set,
  texts,
  toml,
  warnings,
} from "./config-suite.ts";

describe("defaults", () => {
  test("are those of the source, but guarded and with the web service", () => {
    const { config, problems } = toml("");
    expect(problems).toEqual([]);
    expect(config.version).toBe("rust");
    expect(config.web).toMatchObject({ enabled: true, host: "127.0.0.1", port: 8889 });
    expect(config.logger).toEqual({
      log_level: "INFO",
      enable_console_log: true,
      console_log_format: "",
      enable_file_log: false,
      enable_json_log: false,
      log_file_path: "./logs",
      log_format: "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
      max_file_size: 1_000_000,
      backup_count: 3,
      date_format: "%Y-%m-%d %H:%M:%S.%3f",
      log_keys: null,
    });
    expect(config.hyper_parameters).toEqual({
      connection_buffer_size: 128,
      command_buffer_size: 32,
      control_channel_capacity: 8,
      queue_monitor_capacity: 100,
      client_timeout_secs: 300,
      rate_limit_msgs_per_minute: 300,
      timeout_check_interval_secs: 30,
      accept_error_backoff_ms: 100,
      quarantine_cooldown_secs: 300,
      quarantine_cleanup_interval_secs: 60,
      throttle_delay_ms: 200,
      flow_control_delay_ms: 1000,
      worker_threads: 0,
      backpressure_policy: {
        enable_throttle: true,
        throttle_threshold: 100,
        enable_flow_control: true,
        flow_control_threshold: 300,
        enable_disconnect: true,
        disconnect_threshold: 500,
      },
    });
  });

  test("of the relay protect it", () => {
    const { relay, host, port } = toml("").config;
    expect([host, port]).toEqual(["127.0.0.1", 8888]);
    expect(relay).toMatchObject({
      enabled: true,
      max_line_bytes: 65_536,
      outbox_bytes: 16 * 2 ** 20,
      total_outbox_bytes: 64 * 2 ** 20,
      stall_ms: 500,
      quarantine_by: "auto",
      monitor_interval_ms: 100,
    });
  });

  test.each(options)("%s reads its own default back", (path, { initial }) => {
    if (initial === null) {
      expect(valueAt(toml("").config, path)).toBeNull();
      return;
    }
    const given = toml(line(path, initial));
    expect(problems(given)).toEqual([]);
    expect(valueAt(given.config, path)).toEqual(initial);
    expect(given.origins.get(path)).toMatch(/^summoner\.toml:[12]:1$/);
  });

  test("what a file does not name is as without any file, whatever else it names", () => {
    const none = load(settings, { file: null });
    const some = toml("port = 9000");
    expect(some.config).toEqual({ ...none.config, port: 9000 });
    expect([remarks(none), remarks(some)]).toEqual([[], []]);
    expect(load(settings, { file: null, preset: "chat" }).config.web).toEqual(none.config.web);
  });
});

describe("bounds", () => {
  test("there is a bound for every number", () => {
    const whole = options.filter(([, { initial }]) => Number.isInteger(initial));
    expect(numbers.map(([path]) => path)).toEqual(whole.map(([path]) => path));
  });

  test.each(numbers)("%s from %d to %d", (path, min, max) => {
    for (const good of [min, max]) {
      expect(complaint(path, good)).toBeUndefined();
      expect(valueAt(toml(line(path, good)).config, path)).toBe(good);
    }
    const never = /client_timeout_secs|idle_secs|keepalive_secs/.test(path);
    for (const bad of [never ? -1 : min - 1, max + 1]) {
      const at = path.includes(".") ? 2 : 1;
      expect(complaint(path, bad)).toStartWith(
        `summoner.toml:${at}:1: ${path}: found ${bad} (a number); allowed: a whole number from ${min} to ${max}`,
      );
    }
    expect(complaint(path, min + 0.5)).toContain("(a number)");
    expect(complaint(path, String(min))).toContain("(text)");
    expect(complaint(path, true)).toContain("found true");
  });

  test.each(flags)("%s is true or false", (path) => {
    expect(complaint(path, true)).toBeUndefined();
    expect(complaint(path, false)).toBeUndefined();
    expect(complaint(path, 1)).toContain("allowed: true or false");
    expect(complaint(path, "true")).toContain("allowed: true or false");
  });

  test.each(choices)("%s is one of its words", (path, { words }) => {
    for (const word of words as string[]) {
      expect(complaint(path, word)).toBeUndefined();
    }
    const first = (words as string[])[0] as string;
    expect(complaint(path, `${first}x`)).toEndWith(`; did you mean "${first}"?`);
    expect(complaint(path, "")).toContain(`"${first}"`);
    expect(complaint(path, 1)).toContain("found 1 (a number)");
  });

  test.each(texts)("%s is text", (path) => {
    expect(complaint(path, "x")).toBeUndefined();
    expect(complaint(path, 1)).toContain("allowed: text");
    expect(complaint(path, ["x"])).toContain("allowed: text");
  });

  test("a name may not be blank, nor longer than a file's name may be", () => {
    const allowed = "allowed: text of 1 to 64 characters that is not blank";
    for (const wrong of ["", "  ", "x".repeat(65)]) {
      expect(complaint("name", wrong)).toContain(allowed);
    }
    expect(complaint("name", "x".repeat(64))).toBeUndefined();
    expect(problems(json({ name: "x".repeat(100_000) }))[0]).toBe(
      `server.json:1:2: name: found "${"x".repeat(60)}…" (text of 100000 characters); ${allowed}`,
    );
  });

  test.each(hosts)("%s is an address or a name", (path) => {
    for (const good of ["::1", "fe80::1%eth0", "10.0.0.1", "localhost", "a_b.example", "büro"]) {
      expect(complaint(path, good)).toBeUndefined();
      expect(valueAt(toml(line(path, good)).config, path)).toBe(good);
    }
    const bad = ["", " ", "a b", "127.0.0.1:80", "a:80", "[::1]:80", "[a]", "[127.0.0.1]", "::g"];
    for (const one of [...bad, "http://a", "a/b", "*", 1]) {
      expect(complaint(path, one)).toContain("an address or a name, without a port");
    }
  });

  test.each(hosts)("%s may stand in brackets, as in a URL", (path) => {
    expect(valueAt(toml(line(path, "[::1]")).config, path)).toBe("::1");
    expect(valueAt(set(`${path}=[::1]`).config, path)).toBe("::1");
    expect(load(settings, { object: {}, host: "[::]" }).config.host).toBe("::");
  });

  test.each(cidrs)("%s takes addresses and ranges", (path) => {
    for (const good of [
      [],
      ["10.0.0.1"],
      ["0.0.0.0/0", "10.0.0.0/32", "::1", "fd00::/8", "::/0", "::1/128"],
      ["::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "::ffff:a00:1/97", "::ffff:0:0/95", "fe80::1%lo"],
    ]) {
      expect(complaint(path, good)).toBeUndefined();
      expect(valueAt(toml(line(path, good)).config, path)).toEqual(good);
      expect(() => new Access({ allow: good, deny: good })).not.toThrow();
    }
    for (const bad of [
      "10.0.0.0/33",
      "::1/129",
      "10.0.0",
      "10.0.0.256",
      "localhost",
      "10.0.0.0/",
      "10.0.0.0/-1",
      "10.0.0.0/8/8",
      "",
    ]) {
      expect(complaint(path, ["10.0.0.1", bad])).toContain("CIDR");
    }
    expect(complaint(path, "10.0.0.1")).toContain("a list");
    expect(complaint(path, [1])).toContain("CIDR");
  });
});

describe("the shipped file and the reference", () => {
  test("summoner.toml is what the table renders", async () => {
    const shipped = await Bun.file(join(root, "summoner.toml")).text();
    expect(shipped).toBe(renderToml(settings));
  });

  test("summoner.toml reads back as what a start without a file uses", () => {
    const shipped = load(settings, { file: join(root, "summoner.toml") });
    expect(shipped.problems).toEqual([]);
    expect(shipped.warnings).toEqual([]);
    expect(shipped.config).toMatchObject({ version: "rust", web: { enabled: true } });
    expect(shipped.config).toEqual(load(settings, { file: null }).config);
    expect([...shipped.origins]).toEqual([]);
    expect(remarks(shipped)).toEqual([]);
  });

  test("every line that is commented out shows the default", () => {
    const uncommented = renderToml(settings).replace(/^# (\w+ = )/gm, "$1");
    const read = toml(uncommented);
    expect(problems(read)).toEqual([]);
    const given = options.filter(([, { initial }]) => initial !== null);
    expect([...read.origins.keys()].toSorted()).toEqual(given.map(([path]) => path).toSorted());
    for (const [path, { initial }] of given) expect(valueAt(read.config, path)).toEqual(initial);
  });

  test("the reference has a row for every setting, those of TLS and access once for all", () => {
    const reference = renderReference(settings);
    const rows = reference.split("\n").filter((row) => row.startsWith("| `"));
    const paths = options.map(([path]) => path);
    const once = paths.filter((path) => {
      const [, ...rest] = path.split(".");
      return rest.length < 2 || !paths.includes(rest.join("."));
    });
    expect(rows).toHaveLength(once.length);
    expect(reference).toContain("`[store.tls]` and `[store.access]` have the keys of `[tls]` and");
    expect(reference).toContain("`client_timeout_secs`, `client_timeout`");
    expect(reference).toContain("### `[hyper_parameters.backpressure_policy]`");
  });
});

describe("problems", () => {
  test("all come at once, each with file, line and column", () => {
    const found = toml(
      [
        "prot = 1",
        'port = "x"',
        'version = "rust_v1.1.1"',
        "[logger]",
        '  log_lvel = "DEBUG"',
        "max_file_size = 0",
        "[relay]",
        "outbox_bytes = -1",
      ].join("\n"),
    );
    expect(problems(found)).toEqual([
      "summoner.toml:1:1: prot: unknown key; did you mean port?",
      'summoner.toml:2:1: port: found "x" (text); allowed: a whole number from 0 to 65535',
      'summoner.toml:3:1: version: found "rust_v1.1.1" (text); allowed: "python", "rust", "rust_v1.0.0", "rust_v1.1.0"; did you mean "rust_v1.1.0"?',
      "summoner.toml:5:3: logger.log_lvel: unknown key; did you mean log_level?",
      "summoner.toml:6:1: logger.max_file_size: found 0 (a number); allowed: a whole number from 1 to 1099511627776",
      "summoner.toml:8:1: relay.outbox_bytes: found -1 (a number); allowed: a whole number from 4096 to 1099511627776",
    ]);
  });

  test("a key in the wrong table is sent to its section", () => {
    const found = problems(
      toml('log_level = "INFO"\n[logger]\nthrottle_threshold = 3\nport = 1\n'),
    );
    expect(found).toEqual([
      "summoner.toml:1:1: log_level: unknown key; did you mean logger.log_level?",
      "summoner.toml:3:1: logger.throttle_threshold: unknown key; did you mean hyper_parameters.backpressure_policy.throttle_threshold?",
      "summoner.toml:4:1: logger.port: unknown key; did you mean port?",
    ]);
  });

  test("an alias in the wrong table is sent to its key", () => {
    expect(problems(toml("client_timeout = 3"))).toEqual([
      "summoner.toml:1:1: client_timeout: unknown key; did you mean hyper_parameters.client_timeout_secs?",
    ]);
  });

  test("a key that is like nothing gets no suggestion", () => {
    expect(problems(toml("zzzzzzzz = 3"))).toEqual(["summoner.toml:1:1: zzzzzzzz: unknown key"]);
  });

  test("names of JavaScript's own are unknown keys", () => {
    for (const name of ["constructor", "toString", "__proto__"]) {
      expect(problems(toml(`${name} = 3`))[0]).toStartWith(
        `summoner.toml:1:1: ${name}: unknown key`,
      );
      expect(warnings(file("server.json", `{"${name}": 3}`))[0]).toStartWith(
        `server.json:1:2: ${name}: ignored, unknown key`,
      );
    }
  });

  test("a table where a value stands, and the reverse", () => {
    expect(problems(toml("[port]\nnumber = 3"))).toEqual([
      "summoner.toml:1:1: port: found a table; allowed: a whole number from 0 to 65535",
    ]);
    expect(problems(toml("logger = 3"))).toEqual([
      "summoner.toml:1:1: logger: found 3 (a number); allowed: a table of settings",
    ]);
    expect(problems(toml("[[access]]\nallow = []"))[0]).toStartWith(
      "summoner.toml:1:1: access: found [",
    );
    expect(problems(toml("\nname.first = 3"))).toEqual([
      "summoner.toml:2:1: name: found a table; allowed: text of 1 to 64 characters that is not blank",
    ]);
    expect(problems(toml("\n  [drain_ms.a.b]"))).toEqual([
      "summoner.toml:2:3: drain_ms: found a table; allowed: a whole number from 0 to 1000000000",
    ]);
  });

  test("a date is not a text", () => {
    expect(problems(toml("name = 2026-01-02"))[0]).toContain("(a date)");
  });

  test("formats that are not known are refused", () => {
    expect(complaint("logger.date_format", "%Y %Q")).toContain("strftime");
    expect(complaint("logger.date_format", "%H:%M:%S.%6f %%")).toBeUndefined();
    for (const key of ["logger.log_format", "logger.console_log_format"]) {
      expect(complaint(key, "%(asctime)s %(levelnme)s")).toContain("%(levelname)s");
      expect(complaint(key, "100%")).toContain("%% is a percent sign");
      expect(complaint(key, "\u001b[1m%(levelname)-8s\u001b[0m 100%%")).toBe(undefined);
    }
  });

  test("a syntax error in TOML says where", () => {
    const [found] = toml('host = "x"\nport = \n').problems;
    expect(found?.where).toBe("summoner.toml:2:8");
    expect(found?.message).toStartWith("not valid TOML:");
    expect(problems(toml("port = 1\nport = 2\n"))[0]).toStartWith("summoner.toml:2:");
  });

  test.each([
    ['{\n  "host": "x",\n  port: 1\n}', "3:3", "a key in double quotes"],
    ['{\n  "host": "x"\n  "port": 1\n}', "3:3", '"," or "}"'],
    ['{"port": 1,}', "1:12", "a key in double quotes"],
    ['{"log_keys": [1,]}', "1:17", "a value"],
    ['{"port": 0x1}', "1:11", '"," or "}"'],
    ['{"host": "x', "1:10", "a text that ends"],
    ["{\"host\": 'x'}", "1:10", "a value"],
    ['{"port" 1}', "1:9", '":"'],
    ['{"port": 1} x', "1:13", "the end"],
    ["", "1:1", "a value"],
  ])("a syntax error in JSON says where: %j", (text, position, expected) => {
    const [found, ...more] = file("server.json", text).problems;
    expect(more).toEqual([]);
    expect(found?.where).toBe(`server.json:${position}`);
    expect(found?.message).toStartWith(`not valid JSON: expected ${expected}, found`);
  });

  test("the mark that some editors put at the start is no error", () => {
    expect(toml("\uFEFFport = 7").config.port).toBe(7);
    expect(file("server.json", '\uFEFF{"port": 7}').config.port).toBe(7);
    expect(problems(toml("\uFEFFport = -1"))[0]).toStartWith("summoner.toml:1:1: port: found -1");
  });

  test("JSON that is no object is one problem", () => {
    expect(problems(json([1]))).toEqual(["server.json: found [1] (a list); allowed: an object"]);
  });

  test("of a list the first entry that is not allowed is told", () => {
    const allow = [...Array(40).fill("10.0.0.1"), "10.0.0.256", "x"];
    expect(problems(toml(`access = { allow = ${JSON.stringify(allow)} }`))[0]).toStartWith(
      'summoner.toml:1:12: access.allow: found "10.0.0.256" (text) as entry 41 of 42; allowed: ',
    );
    expect(problems(json({ logger: { log_keys: ["a", 5] } }))[0]).toContain(
      "found 5 (a number) as entry 2 of 2; allowed: a list of texts",
    );
  });

  test("a file that cannot be read is one problem", () => {
    const missing = join(folder, "nowhere.toml");
    expect(problems(load(settings, { file: missing }))).toEqual([
      `${missing}: cannot be read: there is no such file`,
    ]);
    mkdirSync(join(folder, "inner.toml"));
    expect(problems(load(settings, { file: join(folder, "inner.toml") }))[0]).toEndWith(
      "cannot be read: it is a folder",
    );
    writeFileSync(join(folder, "plain"), "");
    expect(problems(load(settings, { file: join(folder, "plain", "x.toml") }))[0]).toEndWith(
      "cannot be read: part of the path is not a folder",
    );
  });
});

describe("a setting that is given twice", () => {
  test.each(["client_timeout_secs", "rate_limit_msgs_per_minute"])("as %s", (key) => {
    const alias = key.replace(/_secs|_msgs_per_minute/, "");
    expect(problems(toml(`[hyper_parameters]\n${key} = 7\n${alias} = 8`))).toEqual([
      `summoner.toml:3:1: hyper_parameters.${alias}: the same setting as ${key}, which stands here too; keep one`,
    ]);
    expect(problems(json({ hyper_parameters: { [alias]: 7, [key]: 7 } }))).toEqual([
      `server.json:1:${alias.length + 27}: hyper_parameters.${key}: the same setting as ${alias}, which stands here too; keep one`,
    ]);
    // Of two sources one wins.
    const read = file("summoner.toml", `hyper_parameters.${key} = 7`, [
      `hyper_parameters.${alias}=8`,
    ]);
    expect([problems(read), valueAt(read.config, `hyper_parameters.${key}`)]).toEqual([[], 8]);
  });

  test("by one name in JSON, where the last one counts", () => {
    const read = file(
      "server.json",
      '{"port": 7,\n"logger": {"backup_count": -1},\n"logger": {},\n"port": 8}',
    );
    expect([problems(read), read.config.port]).toEqual([[], 8]);
    expect(warnings(read)).toEqual([
      "server.json:4:1: port: stands here twice; this one counts",
      "server.json:3:1: logger: stands here twice; this one counts",
    ]);
  });
});

describe("nearest", () => {
  test("finds one slip, not a word that shares little", () => {
    expect(nearest("prot", ["host", "port"])).toBe("port");
    expect(nearest("LOG_LEVEL", ["log_level"])).toBe("log_level");
    expect(nearest("abcdef", ["abcdxy"])).toBe("abcdxy");
    expect(nearest("abcdef", ["abcxyz"])).toBeUndefined();
    expect(nearest("x", [])).toBeUndefined();
    expect(nearest("a", ["ca"])).toBeUndefined();
    expect(nearest("ab", ["cb"])).toBeUndefined();
    expect(nearest("CA", ["ca"])).toBe("ca");
    expect(nearest("kye", ["key"])).toBe("key");
  });
});

describe("positions", () => {
  const flat = ({ own, inner }: Positions, path: string, found: Record<string, string> = {}) => {
    if (own) found[path] = `${own.line}:${own.column}`;
    for (const [key, one] of inner) flat(one, own ? `${path}.${key}` : key, found);
    return found;
  };
  const at = (text: string) => flat(tomlPositions(text), "");

  test("of dotted and quoted keys", () => {
    expect(at('a.b = 1\n  "c" . \'d.e\' = 2\n"f\\u0067" = 3 # x = 1\n')).toEqual({
      a: "1:1",
      "a.b": "1:1",
      c: "2:3",
      "c.d.e": "2:3",
      fg: "3:1",
    });
  });

  test("of keys with the escapes that only TOML has", () => {
    expect(at('"\\U0001F600\t\\"" = 1\n"" = 2\n\'a"\' = 3\n"[x]#" = 4\n')).toEqual({
      '\u{1F600}\t"': "1:1",
      "": "2:1",
      'a"': "3:1",
      "[x]#": "4:1",
    });
    expect(problems(toml('"\\U00000070ort" = "x"'))[0]).toStartWith(
      "summoner.toml:1:1: port: found",
    );
  });

  test("of tables and arrays of tables", () => {
    const text = "[a]\nb = 1\n [ c . d ] # [x]\ne = 1\n[[f]]\ng=1\n[f.h]\n[[f]]\n[[f.i]]\nj.k=2\n";
    expect(at(text)).toEqual({
      a: "1:1",
      "a.b": "2:1",
      c: "3:2",
      "c.d": "3:2",
      "c.d.e": "4:1",
      f: "5:1",
      "f.0": "5:1",
      "f.0.g": "6:1",
      "f.0.h": "7:1",
      "f.1": "8:1",
      "f.1.i": "9:1",
      "f.1.i.0": "9:1",
      "f.1.i.0.j": "10:1",
      "f.1.i.0.j.k": "10:1",
    });
  });

  test("of inline tables", () => {
    expect(at('a = { b = 1, "c" = [{ d = 2 }, "]"], e = { f = 3 } }\ng=1\nh=[[{}],\n{}]')).toEqual({
      a: "1:1",
      "a.b": "1:7",
      "a.c": "1:14",
      "a.c.0": "1:21",
      "a.c.0.d": "1:23",
      "a.e": "1:38",
      "a.e.f": "1:44",
      g: "2:1",
      h: "3:1",
      "h.0": "3:5",
      "h.0.0": "3:5",
      "h.1": "4:1",
    });
  });

  test("after strings over many lines", () => {
    const text = [
      'a = """',
      "x = 1",
      '\\""" ] } # """',
      "b = '''",
      "y = 2 \\'''",
      'c = [ "#", # d = 1',
      "  '[', ]",
      "e = 2026-01-02 03:04:05",
      "f = 1_000.5e3",
      '\tg = "\\"h = 1"',
    ].join("\r\n");
    expect(at(text)).toEqual({
      a: "1:1",
      b: "4:1",
      c: "6:1",
      e: "8:1",
      f: "9:1",
      g: "10:2",
    });
  });

  test("of JSON", () => {
    const text = '{\n "a": {"b": [1, "}"], "\\u0063": null},\n\t"d" : 1e9\n}';
    expect(flat(jsonPositions(text), "")).toEqual({
      a: "2:2",
      "a.b": "2:8",
      "a.c": "2:23",
      d: "3:2",
    });
  });

  test("reach the problems through dotted keys and inline tables", () => {
    expect(
      problems(
        toml(
          'hyper_parameters.backpressure_policy.throttle_threshold = 0\nlogger = { log_level = "x", "backup_count" = -1 }\n',
        ),
      ).map((text) => text.slice(0, text.indexOf(": found"))),
    ).toEqual([
      "summoner.toml:1:1: hyper_parameters.backpressure_policy.throttle_threshold",
      "summoner.toml:2:12: logger.log_level",
      "summoner.toml:2:29: logger.backup_count",
    ]);
  });
});

describe("contradictions", () => {
  const policy = (...lines: string[]) =>
    toml(["[hyper_parameters.backpressure_policy]", ...lines].join("\n"));

  test("thresholds that would never act are errors in TOML", () => {
    expect(problems(policy("throttle_threshold = 300"))).toEqual([]);
    expect(problems(policy("throttle_threshold = 301"))).toEqual([
      "summoner.toml:2:1: hyper_parameters.backpressure_policy.throttle_threshold: 301 is above flow_control_threshold (300), so throttle would never act; lower it or disable one of the two",
    ]);
    expect(problems(policy("flow_control_threshold = 500"))).toEqual([]);
    expect(problems(policy("flow_control_threshold = 501"))[0]).toContain(
      "flow_control would never act",
    );
  });

  test("a rule that is off contradicts nothing", () => {
    expect(problems(policy("throttle_threshold = 400", "enable_flow_control = false"))).toEqual([]);
    expect(
      problems(policy("throttle_threshold = 501", "enable_flow_control = false"))[0],
    ).toContain("above disconnect_threshold (500)");
  });

  test("the same thresholds are warnings in server.json", () => {
    const read = json({
      hyper_parameters: { backpressure_policy: { throttle_threshold: 301 } },
    });
    expect(read.problems).toEqual([]);
    expect(warnings(read)).toEqual([
      "server.json:1:45: hyper_parameters.backpressure_policy.throttle_threshold: 301 is above flow_control_threshold (300), so throttle would never act; lower it or disable one of the two",
    ]);
    expect(read.config.hyper_parameters.backpressure_policy).toMatchObject({
      throttle_threshold: 301,
    });
  });

  test("but a threshold from the command line is an error again", () => {
    const given = { throttle_threshold: 250 };
    const read = file(
      "server.json",
      JSON.stringify({ hyper_parameters: { backpressure_policy: given } }),
      ["hyper_parameters.backpressure_policy.throttle_threshold=301"],
    );
    expect(read.warnings).toEqual([]);
    expect(problems(read)[0]).toStartWith(
      "--set: hyper_parameters.backpressure_policy.throttle_threshold: 301",
    );
  });

  test("TLS needs certificate and key, client certificates an authority", () => {
    for (const table of ["tls", "relay.tls"]) {
      const read = (...lines: string[]) => problems(toml([`[${table}]`, ...lines].join("\n")));
      expect(read('cert = "a"')).toEqual([
        `summoner.toml:2:1: ${table}.cert: given without key; TLS needs both`,
      ]);
      expect(read('key = "a"')).toEqual([
        `summoner.toml:2:1: ${table}.key: given without cert; TLS needs both`,
      ]);
      expect(read('cert = "a"', 'key = "b"')).toEqual([]);
      expect(read('cert = "a"', 'key = "b"', "require_client_cert = true")).toEqual([
        `summoner.toml:4:1: ${table}.require_client_cert: true without ca, so no client could ever be verified`,
      ]);
      expect(read('ca = "c"', "require_client_cert = true")[0]).toContain(
        "true without cert and key",
      );
      expect(read('cert = "a"', 'key = "b"', 'ca = "c"', "require_client_cert = true")).toEqual([]);
    }
  });

  test("what only TLS has a use for is no sign that there is any", () => {
    for (const [key, value] of [
      ["ca", "c"],
      ["passphrase", "p"],
    ]) {
      const message = `${key}: given without cert and key, so nothing would be encrypted`;
      expect(problems(toml(`[tls]\n${key} = "${value}"`))).toEqual([
        `summoner.toml:2:1: tls.${message}`,
      ]);
      expect(problems(toml(`[store.tls]\n${key} = "${value}"`))).toEqual([
        `summoner.toml:2:1: store.tls.${message}`,
      ]);
      const pair = 'cert = "a"\nkey = "b"\n';
      const whole = `[tls]\n${key} = "${value}"\n`;
      expect(problems(toml(`${whole}${pair}`))).toEqual([]);
      // Each service that runs has its own pair.
      expect(problems(toml(`web.enabled = false\n${whole}[relay.tls]\n${pair}`))).toEqual([]);
      const plain = toml(`web.enabled = true\n${whole}[relay.tls]\n${pair}`);
      expect(problems(plain)).toEqual([`summoner.toml:3:1: tls.${message}`]);
    }
  });

  test("an authority that nobody is asked about is told of", () => {
    const told = (text: string) => remarks(toml(text)).filter((one) => one.includes("ca is given"));
    const pair = 'cert = "a"\nkey = "b"\nca = "c"\n';
    expect(told(`[tls]\n${pair}`)).toEqual([
      "tls.ca is given, but clients are asked for no certificate: require_client_cert is not set",
    ]);
    expect(told(`[web.tls]\n${pair}`)[0]).toStartWith("web.tls.ca is given");
    expect(told(`[tls]\nrequire_client_cert = false\n[web.tls]\n${pair}`)).toEqual([]);
  });

  test("a contradiction that a typo explains is not told besides", () => {
    expect(problems(toml('[tls]\ncert = "a"\nkye = "b"'))).toEqual([
      "summoner.toml:3:1: tls.kye: unknown key; did you mean key?",
    ]);
  });

  test("those of the cluster are told beside its other problems, unless these may explain them", () => {
    const encrypted =
      "cluster.ca: given, but url does not begin with rediss://, so nothing would be encrypted";
    const own = (text: string) =>
      problems(toml(`[cluster]\n${text}`)).map((one) => one.replace(/^\S+ /, ""));
    const url = 'url = "redis://localhost"\n';
    expect(own(`${url}room = "a b"\nca = "x"\ncert = "y"\nkeep_bytes = 1`)).toEqual([
      expect.stringMatching(/^cluster\.room: found "a b" \(text\); allowed: /),
      expect.stringMatching(/^cluster\.keep_bytes: found 1 \(a number\); allowed: /),
      "cluster.cert: given without key; a certificate needs both",
      encrypted,
      encrypted.replace("ca", "cert"),
    ]);
    expect(own(`${url}ca = "x"\nroom = "a b"`)).toHaveLength(2);
    expect(own('url = "http://localhost"\nca = "x"')).toHaveLength(1);
    expect(own(`${url}urll = "rediss://localhost"\nca = "x"`)).toEqual([
      "cluster.urll: unknown key; did you mean url?",
    ]);
    expect(own('url = "redis://localhost"\ncert = "x"\nkey = 1')).not.toContain(
      "cluster.cert: given without key; a certificate needs both",
    );
  });

  test("a cluster without a server is told, as the relay is alone then", () => {
    const told = (text: string) => remarks(toml(`[cluster]\n${text}`));
    const alone = "no effect without cluster.url: the relay has its room for itself";
    expect(told('room = "prod"')).toEqual([`cluster.room has ${alone}`]);
    expect(told('ca = "x"\nnode = "a"\nwait = true')).toEqual([
      `cluster.node, cluster.wait, cluster.ca have ${alone}`,
    ]);
    expect(told("")).toEqual([]);
    for (const url of ["", "redis://localhost", "wrong"]) {
      expect(told(`url = "${url}"\nroom = "prod"`)).toEqual([]);
    }
  });

  test("the relay's TLS is completed by that of the server", () => {
    expect(problems(toml('[tls]\ncert = "a"\nkey = "b"\n[relay.tls]\ncert = "c"\n'))).toEqual([]);
  });

  test("an outbox holds two lines, all outboxes hold one", () => {
    const read = (line: number, outbox: number, total: number) =>
      problems(
        toml(
          `[relay]\nmax_line_bytes = ${line}\noutbox_bytes = ${outbox}\ntotal_outbox_bytes = ${total}`,
        ),
      );
    expect(read(2048, 4096, 4096)).toEqual([]);
    expect(read(2049, 4096, 4096)[0]).toStartWith(
      "summoner.toml:3:1: relay.outbox_bytes: 4096 cannot hold two lines",
    );
    expect(read(2048, 4097, 4096)[0]).toStartWith(
      "summoner.toml:4:1: relay.total_outbox_bytes: 4096 is below outbox_bytes (4097)",
    );
  });
});
