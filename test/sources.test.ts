import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { load, remarks } from "../lib/config/load.ts";
import { renderEffective } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import {
  complaint,
  file,
  folder,
  json,
  problems,
  type Reading,
  set,
  toml,
  warnings,
} from "./config-suite.ts";

describe("the reference's server.json", () => {
  /** The complete example of the source, unchanged. */
  const example = {
    version: "rust",
    host: "0.0.0.0",
    port: 8888,
    logger: {
      log_level: "INFO",
      enable_console_log: true,
      enable_file_log: true,
      enable_json_log: true,
      log_file_path: "./logs",
      max_file_size: 10485760,
      backup_count: 5,
      date_format: "%Y-%m-%d %H:%M:%S.%f",
      log_keys: ["msg_id", "type", "user_id"],
    },
    hyper_parameters: {
      connection_buffer_size: 512,
      command_buffer_size: 64,
      control_channel_capacity: 16,
      queue_monitor_capacity: 200,
      client_timeout_secs: 300,
      rate_limit_msgs_per_minute: 600,
      timeout_check_interval_secs: 30,
      accept_error_backoff_ms: 100,
      quarantine_cooldown_secs: 300,
      quarantine_cleanup_interval_secs: 60,
      throttle_delay_ms: 150,
      flow_control_delay_ms: 750,
      worker_threads: 0,
      backpressure_policy: {
        enable_throttle: true,
        throttle_threshold: 250,
        enable_flow_control: true,
        flow_control_threshold: 750,
        enable_disconnect: true,
        disconnect_threshold: 1500,
      },
    },
  };

  test("the source's complete example loads unchanged", () => {
    const read = file("server.json", JSON.stringify(example, null, 2));
    expect(read.problems).toEqual([]);
    expect(read.warnings).toEqual([]);
    expect(read.config).toMatchObject(example);
  });

  test("null means the default, log_keys null and empty mean everything", () => {
    const read = json({
      host: null,
      port: null,
      logger: { log_level: null, log_keys: null, console_log_format: null },
      hyper_parameters: {
        rate_limit_msgs_per_minute: null,
        worker_threads: null,
        backpressure_policy: null,
      },
    });
    expect(read.problems).toEqual([]);
    expect(read.warnings).toEqual([]);
    expect(read.config).toEqual(json({}).config);
    expect(json({ logger: { log_keys: "" } }).config.logger.log_keys).toBe(null);
    expect(json({ logger: { log_keys: [] } }).config.logger.log_keys).toEqual([]);
    expect(json({ logger: { log_keys: ["a"] } }).config.logger.log_keys).toEqual(["a"]);
    expect(problems(json({ logger: { log_keys: "a" } }))[0]).toContain("allowed: a list of texts");
    expect(problems(json({ logger: { log_keys: [1] } }))).toHaveLength(1);
  });

  test("what it does not name is as in the reference: plain, without a second port; it says so once", () => {
    const read = json({ port: 9000 });
    const same = toml('port = 9000\nversion = "python"\nweb.enabled = false');
    expect(read.config).toEqual(same.config);
    expect(remarks(read)).toEqual([
      'server.json: what it does not name is as in the reference server: version = "python" (in a summoner.toml "rust"), web.enabled = false (in a summoner.toml true)',
    ]);
    expect(read.origins.get("version")).toBe("the reference");
    expect(remarks(json({ version: null, web: { enabled: true } }))).toEqual([
      'server.json: what it does not name is as in the reference server: version = "python" (in a summoner.toml "rust")',
    ]);
    expect(remarks(json({ version: "rust", web: { enabled: false } }))).toEqual([]);
    // The relay's backend is nobody's concern without the relay.
    const alone = json({ relay: { enabled: false }, web: { enabled: false } });
    expect(remarks(alone)).toEqual([]);
    expect(alone.config.version).toBe("python");
    const preset = load(settings, { object: {}, preset: "chat" });
    expect([preset.config.version, preset.config.web.enabled]).toEqual(["rust", false]);
  });

  test("unknown keys are warnings there, with a suggestion", () => {
    const read = json({ prot: 1, logger: { colour: true } });
    expect(read.problems).toEqual([]);
    expect(warnings(read)).toEqual([
      "server.json:1:2: prot: ignored, unknown key; did you mean port?",
      "server.json:1:21: logger.colour: ignored, unknown key",
    ]);
    expect(remarks(read)).toHaveLength(3);
  });

  test("whatever its log level is written as", () => {
    const level = (log_level: unknown) => {
      const found = json({ logger: { log_level } });
      return problems(found).length > 0 ? problems(found)[0] : found.config.logger.log_level;
    };
    for (const [found, expected] of [
      ["info", "INFO"],
      ["Warning", "WARNING"],
      ["warn", "WARNING"],
      ["fatal", "CRITICAL"],
      ["NOTSET", "DEBUG"],
      [20, "INFO"],
      [25, "WARNING"],
    ]) {
      expect(level(found)).toBe(expected as string);
    }
    expect(level("verbose")).toStartWith('server.json:1:12: logger.log_level: found "verbose"');
    expect(level(60)).toStartWith("server.json:1:12: logger.log_level: found 60");
    expect(problems(toml('[logger]\nlog_level = "info"'))[0]).toEndWith('did you mean "INFO"?');
  });

  test("numbers in quotes are numbers, within the same bounds", () => {
    const found = json({
      port: "8888",
      logger: { backup_count: " 7 ", max_file_size: "100" },
      hyper_parameters: { client_timeout: "60", rate_limit: "+5" },
    });
    expect([problems(found), found.warnings]).toEqual([[], []]);
    const { port, logger, hyper_parameters: hyper } = found.config;
    expect([port, logger.backup_count, logger.max_file_size]).toEqual([8888, 7, 100]);
    expect([hyper.client_timeout_secs, hyper.rate_limit_msgs_per_minute]).toEqual([60, 5]);
    for (const port of ["70000", "-1", "1e3", "", "8888x", "0x10"]) {
      expect(problems(json({ port }))).toHaveLength(1);
    }
    expect(problems(toml('port = "8888"'))).toHaveLength(1);
  });

  test("flags may be 0 and 1", () => {
    const { config } = json({ logger: { enable_file_log: 1, enable_console_log: 0 } });
    expect([config.logger.enable_file_log, config.logger.enable_console_log]).toEqual([
      true,
      false,
    ]);
    expect(problems(json({ logger: { enable_file_log: 2 } }))).toHaveLength(1);
  });

  test("a log file of no size is never rotated; one of which none is kept is told to differ", () => {
    const never = json({ logger: { max_file_size: 0 } });
    expect([problems(never), never.warnings]).toEqual([[], []]);
    expect(never.config.logger.max_file_size).toBe(2 ** 40);
    const none = json({ logger: { backup_count: 0 } });
    expect(none.warnings.map(({ message }) => message)).toEqual([
      "logger.backup_count: 0, so the log file begins anew at max_file_size; the reference's grows for ever, as with max_file_size 0",
    ]);
    expect(toml("[logger]\nbackup_count = 0").warnings).toEqual([]);
  });

  test("formats may hold whatever Python's logging has; what differs is told", () => {
    const formats = {
      log_format: "%(process)d %(levelname)-8s %(threadName)s %(message)s",
      console_log_format: "%(filename)s:%(lineno)4d %(thread)d %(message)s",
      date_format: "%c %x",
    };
    const found = json({ logger: formats });
    expect(problems(found)).toEqual([]);
    expect(found.warnings.map(({ message }) => message)).toEqual([
      "logger.console_log_format: %(filename)s tells of the reference's own code; here it is -; %(lineno)4d tells of the reference's own code; here it is 0; %(thread)d is the number of the process here",
    ]);
    expect(found.config.logger).toMatchObject(formats);
    const written = Object.entries(formats).map(
      ([key, text]) => `${key} = ${JSON.stringify(text)}`,
    );
    expect(problems(toml(`[logger]\n${written.join("\n")}`))).toEqual([]);
  });

  test("a wrong type is a problem all the same", () => {
    expect(problems(json({ port: "eight" }))).toEqual([
      'server.json:1:2: port: found "eight" (text); allowed: a whole number from 0 to 65535',
    ]);
    expect(problems(json({ version: "rusty" }))[0]).toEndWith('; did you mean "rust"?');
  });

  test("a queue of size 0 is refused, 0 worker threads are automatic", () => {
    const read = (hyper: object) => json({ hyper_parameters: hyper });
    for (const key of [
      "connection_buffer_size",
      "command_buffer_size",
      "control_channel_capacity",
      "queue_monitor_capacity",
    ]) {
      expect(problems(read({ [key]: 0 }))[0]).toContain(
        `${key}: found 0 (a number); allowed: a whole number from 1`,
      );
      expect(read({ [key]: 1 }).problems).toEqual([]);
    }
    expect(read({ worker_threads: 0 }).problems).toEqual([]);
    expect(read({ worker_threads: 4 }).config.hyper_parameters).toMatchObject({
      worker_threads: 4,
    });
  });

  test("a client timeout of 0, false or null is never", () => {
    const secs = ({ problems, config }: Reading) => {
      expect(problems).toEqual([]);
      return config.hyper_parameters.client_timeout_secs;
    };
    for (const never of [0, false, null]) {
      expect(secs(json({ hyper_parameters: { client_timeout_secs: never } }))).toBe(0);
      expect(secs(json({ hyper_parameters: { client_timeout: never } }))).toBe(0);
    }
    expect(secs(toml("[hyper_parameters]\nclient_timeout_secs = 0"))).toBe(0);
    expect(secs(toml("[hyper_parameters]\nclient_timeout_secs = false"))).toBe(0);
    expect(complaint("hyper_parameters.client_timeout_secs", true)).toContain(
      "or 0 or false for never",
    );
  });

  test("the Rust names are aliases, in both forms of the file", () => {
    const named = { client_timeout: 7, rate_limit: 9 };
    for (const read of [
      json({ hyper_parameters: named }),
      toml("[hyper_parameters]\nclient_timeout = 7\nrate_limit = 9"),
    ]) {
      expect(read.problems).toEqual([]);
      expect(read.warnings).toEqual([]);
      expect(read.config.hyper_parameters).toMatchObject({
        client_timeout_secs: 7,
        rate_limit_msgs_per_minute: 9,
      });
    }
    expect(problems(toml("[hyper_parameters]\nrate_limit = 0"))[0]).toStartWith(
      "summoner.toml:2:1: hyper_parameters.rate_limit: found 0",
    );
  });
});

describe("--set and where values come from", () => {
  test("the value is TOML, a bare word is text", () => {
    const read = set(
      "name=room",
      "logger.log_level=DEBUG",
      "logger.enable_file_log=true",
      'logger.log_keys=["a", "b"]',
      "relay.max_clients = 5",
      "logger.log_file_path=/var/a=b",
      "hyper_parameters.client_timeout=false",
      'host="::1"',
    );
    expect(problems(read)).toEqual([]);
    expect(read.config).toMatchObject({
      name: "room",
      host: "::1",
      logger: {
        log_level: "DEBUG",
        enable_file_log: true,
        log_keys: ["a", "b"],
        log_file_path: "/var/a=b",
      },
      relay: { max_clients: 5 },
      hyper_parameters: { client_timeout_secs: 0 },
    });
  });

  test("a word that looks like a date stays a word", () => {
    expect(set("name=2026-01-02").config.name).toBe("2026-01-02");
  });

  test("without = or without a key it is refused", () => {
    expect(problems(set("name", "=x"))).toEqual([
      "--set: found name; allowed: key.path=value",
      "--set: found =x; allowed: key.path=value",
    ]);
  });

  test("its problems name it", () => {
    expect(problems(set("prot=1", "port=x", "logger.log_level=INFOO"))).toEqual([
      "--set: prot: unknown key; did you mean port?",
      '--set: port: found "x" (text); allowed: a whole number from 0 to 65535',
      '--set: logger.log_level: found "INFOO" (text); allowed: "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"; did you mean "INFO"?',
    ]);
  });

  test("command line over file over defaults", () => {
    const path = join(folder, "order.toml");
    writeFileSync(path, 'port = 1\nhost = "a"\nname = "file"\n');
    const read = load(settings, {
      file: path,
      sets: ["port=2", "host=b", "name=first", "name=last"],
      port: "3",
    });
    expect(read.config).toMatchObject({ port: 3, host: "b", name: "last" });
    expect(read.config.drain_ms).toBe(5000);
    expect(read.origins.get("port")).toBe("--port");
    expect(read.origins.get("host")).toBe("--set");
    expect(read.origins.has("drain_ms")).toBeFalse();
  });

  test("--port and --host are checked like any value", () => {
    const bad = load(settings, { object: {}, port: "70000", host: "" });
    expect(problems(bad)).toEqual([
      '--host: host: found "" (text); allowed: an address or a name, without a port',
      "--port: port: found 70000 (a number); allowed: a whole number from 0 to 65535",
    ]);
    expect(problems(load(settings, { object: {}, port: "80a" }))[0]).toContain(
      'found "80a" (text)',
    );
    expect(load(settings, { object: {}, port: "65535" }).config.port).toBe(65535);
  });
});

describe("secrets", () => {
  test("are masked where the configuration is shown", () => {
    const read = toml('[tls]\npassphrase = "open sesame"\n');
    const shown = renderEffective(settings, read);
    expect(shown).not.toContain("sesame");
    expect(shown).toMatch(/^tls\.passphrase = "\*{8}" +# summoner\.toml:2:1$/m);
    expect(shown).toMatch(/^relay\.tls\.passphrase = \(not given\) +# default$/m);
    expect(renderEffective(settings, toml(""))).toMatch(/^tls\.passphrase = "" +# default$/m);
  });

  test("are not told in problems", () => {
    const text = problems(toml("[tls]\npassphrase = 12345\n"));
    expect(text).toEqual([
      "summoner.toml:2:1: tls.passphrase: found something else; allowed: text",
    ]);
  });
});

describe("presets", () => {
  test("numbers lie inside the ranges of the reference's recipes, and a file overrides them", () => {
    const { config } = load(settings, {
      preset: "chat",
      object: { hyper_parameters: { throttle_delay_ms: 60 } },
    });
    const { hyper_parameters: hyper } = config;
    expect(hyper.rate_limit_msgs_per_minute).toBeWithin(900, 1201);
    expect(hyper.flow_control_delay_ms).toBeWithin(250, 501);
    expect(hyper.throttle_delay_ms).toBe(60);
    const strict = load(settings, { preset: "strict", object: {} }).config.hyper_parameters;
    expect(strict.rate_limit_msgs_per_minute).toBeWithin(60, 121);
    expect(strict.client_timeout_secs).toBeWithin(120, 181);
    expect(strict.quarantine_cooldown_secs).toBe(900);
  });
});
