import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { checkFormat } from "../lib/config/formats/line-format.ts";
import { logFileName } from "../lib/host/log/file.ts";
import { folder, fresh, open, read, SECOND } from "./log-suite.ts";

describe("lines", () => {
  test("in a text file", async () => {
    const { log, path } = open({ enable_file_log: true });
    log.info("listening on 127.0.0.1:8888");
    log.record(() => '10.0.0.1:5000 {"a":1}');
    await log.close();
    expect(read(path)).toBe(
      "2026-01-02 03:04:05.678 - summoner:server - INFO - listening on 127.0.0.1:8888\n" +
        '2026-01-02 03:04:05.678 - summoner:server - INFO - 10.0.0.1:5000 {"a":1}\n',
    );
  });

  test("in a JSON file", async () => {
    const { log, path } = open(
      { enable_file_log: true, enable_json_log: true, date_format: '%H"%M' },
      'the "best"',
    );
    log.warning("two\nlines");
    log.record(
      () => "[::1]:5000 hello",
      () => '{"remote_addr":"[::1]:5000","content":"hello"}',
    );
    await log.close();
    const start = { timestamp: '03"04', name: 'the "best"' };
    const lines = read(path)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      { ...start, level: "WARNING", message: "two\nlines" },
      {
        ...start,
        level: "INFO",
        message: { remote_addr: "[::1]:5000", content: "hello" },
      },
    ]);
    expect(Object.keys(lines[0])).toEqual(["timestamp", "name", "level", "message"]);
  });

  test("on the console, built in", () => {
    const { log, printed, clock } = open({ console_log_format: "" });
    log.info("one");
    clock.advance(1);
    log.critical("two");
    log.record(() => "10.0.0.1:5000 hello");
    expect(printed).toEqual([
      "2026-01-02 03:04:05.678 INFO     one\n",
      "2026-01-02 03:04:05.679 CRITICAL two\n",
      "2026-01-02 03:04:05.679 INFO     10.0.0.1:5000 hello\n",
    ]);
  });

  test("that repeat are all shown", () => {
    const { log, printed } = open();
    for (let n = 0; n < 50; n++) log.info("same");
    expect(printed).toHaveLength(50);
  });

  test("of our own bugs carry the stack", async () => {
    const { log, printed, path } = open({
      enable_file_log: true,
      enable_json_log: true,
    });
    log.bug(new TypeError("no such thing\x1b[2J"), "closing client 7");
    log.bug("thrown text", "tick");
    const [first, ...stack] = printed[0]!.trimEnd().split("\n");
    expect(first).toBe("ERROR closing client 7: TypeError: no such thing\\x1b[2J");
    expect(stack.length).toBeGreaterThan(0);
    for (const frame of stack) expect(frame).toStartWith("    at ");
    expect(printed[1]).toContain("tick: ");
    expect(printed[1]).toContain("thrown text");
    await log.close();
    const { message } = JSON.parse(read(path).split("\n")[0]!);
    expect(message.split("\n")).toHaveLength(1 + stack.length);
  });
});

test("levels", () => {
  const { log, printed } = open({ log_level: "WARNING" });
  const all = () => {
    log.debug("d");
    log.info("i");
    log.warning("w");
    log.error("e");
    log.critical("c");
    log.record(() => "a t");
    return printed.splice(0).map((line) => line.trim());
  };
  expect(all()).toEqual(["WARNING w", "ERROR e", "CRITICAL c"]);
  log.setLevel("DEBUG");
  expect(all()).toEqual(["DEBUG d", "INFO i", "WARNING w", "ERROR e", "CRITICAL c", "INFO a t"]);
  log.setLevel("CRITICAL");
  expect(all()).toEqual(["CRITICAL c"]);
});

test("the tail holds the last 200 events and no record", () => {
  const { log } = open();
  for (let n = 0; n <= 200; n++) log.info(`event ${n}`);
  log.record(() => "a content");
  expect(log.tail()).toHaveLength(200);
  expect(log.tail()[0]).toEndWith("INFO event 1");
  expect(log.tail()[199]).toEndWith("INFO event 200");
});

test.each([
  ["INFO", true, false, true],
  ["INFO", false, true, true],
  ["INFO", false, false, false],
  ["WARNING", true, true, false],
] as const)(
  "records at %s, console %p, file %p: wanted %p",
  async (log_level, enable_console_log, enable_file_log, wanted) => {
    const { log, printed, path } = open({
      log_level,
      enable_console_log,
      enable_file_log,
    });
    expect(log.takesRecords).toBe(wanted);
    log.record(() => "a content");
    await log.close();
    expect(printed).toEqual(wanted && enable_console_log ? ["INFO a content\n"] : []);
    expect(enable_file_log && read(path).includes("content")).toBe(wanted && enable_file_log);
  },
);

describe("records on the console", () => {
  test("a line of 500 characters is shown whole, a longer one cut; the file has it whole", async () => {
    const { log, printed, path } = open({ enable_file_log: true });
    log.record(() => `a ${"x".repeat(498)}`);
    log.record(() => `a ${"x".repeat(499)}`);
    const shown = `INFO a ${"x".repeat(498)}`;
    expect(printed).toEqual([`${shown}\n`, `${shown} ... and 1 more characters\n`]);
    await log.close();
    expect(read(path)).toContain(` a ${"x".repeat(499)}\n`);
  });

  test("20 lines a second are shown", () => {
    const { log, printed, clock } = open();
    for (let second = 0; second < 2; second++) {
      for (let n = 0; n < 20; n++) log.record(() => `a ${n}`);
      clock.advance(1000);
      expect(printed.splice(0)).toEqual(Array.from({ length: 20 }, (_, n) => `INFO a ${n}\n`));
    }
  });

  test("from the 21st on they are summed up once a second, and the file gets all", async () => {
    const { log, printed, clock, path } = open({ enable_file_log: true });
    for (let n = 0; n < 21; n++) log.record(() => `a ${n}`);
    log.info("events are always shown");
    expect(printed.splice(0).slice(19)).toEqual(["INFO a 19\n", "INFO events are always shown\n"]);
    clock.advance(1000);
    expect(printed.splice(0)).toEqual(["INFO ... and 1 more lines in the last second\n"]);
    for (let n = 0; n < 1254; n++) log.record(() => `a ${n}`);
    clock.advance(1000);
    expect(printed.splice(0).slice(20)).toEqual([
      "INFO ... and 1,234 more lines in the last second\n",
    ]);
    clock.advance(5000);
    expect(printed).toEqual([]);
    await log.close();
    expect(read(path).trimEnd().split("\n")).toHaveLength(21 + 1 + 1254);
  });
});

test("a client's text can neither drive the terminal nor forge a line", async () => {
  const nasty =
    "\x1b[2J\x9b31m\x07\r\n2026 ERROR forged\t\x7f\0é \u202e\u2066\u2028\u2029\u200f\u061c";
  const safe =
    "\\x1b[2J\\x9b31m\\x07\\x0d\\n2026 ERROR forged\t\\x7f\\x00é \\u202e\\u2066\\u2028\\u2029\\u200f\\u061c";
  const text = open({ enable_file_log: true, log_format: "%(message)s" });
  text.log.error(nasty);
  await text.log.close();
  expect(text.printed).toEqual([`ERROR ${safe}\n`]);
  expect(read(text.path)).toBe(`${safe}\n`);

  const json = open({ enable_file_log: true, enable_json_log: true });
  json.log.error(nasty);
  await json.log.close();
  // oxlint-disable-next-line no-control-regex
  expect(read(json.path)).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200f\u2028-\u202e\u2066]/);
  expect(JSON.parse(read(json.path)).message).toBe(nasty);
});

describe("formats", () => {
  test.each([
    ["%(levelname)-8s|%(levelname)8s|%(levelname).2s|%(levelname)2s", "INFO    |    INFO|IN|INFO"],
    ["100%% %(name)s", "100% n"],
    ["\x1b[32m%(asctime)s\x1b[0m %(message)s", "\x1b[32m04:05\x1b[0m m %(name)s %%"],
    ["%(foo)s %d", "%(foo)s %d"],
    ["%(levelname)-8s|%(name)5s|%(message).3s", "INFO    |    n|m %"],
    [
      "%(levelno)d %(levelno)05d %(levelno)+d %(levelno)#x %(levelno)-4d|",
      "20 00020 +20 0x14 20  |",
    ],
    ["%(process)d %(process)s %(thread)d", `${process.pid} ${process.pid} ${process.pid}`],
    ["%(asctime)s,%(msecs)03d %(msecs)s", "04:05,678 678.0"],
    [
      "%(created)f %(created).1f %(created)d %(created).3g",
      `${SECOND}.678000 ${SECOND}.7 ${SECOND} 1.77e+09`,
    ],
    ["%(processName)s %(threadName)s %(taskName)s", "MainProcess MainThread None"],
    ["%(filename)s:%(lineno)d %(funcName)s %(module)s %(pathname)s", "-:0 - - -"],
    ["%(levelname)r %(levelname)10.2s", "'INFO'         IN"],
    ["", ""],
  ])("%j", async (log_format, expected) => {
    const { log, path } = open({ log_format, date_format: "%M:%S", enable_file_log: true }, "n");
    log.info("m %(name)s %%");
    await log.close();
    expect(read(path)).toBe(`${expected}\n`);
  });

  test.each([
    ["%(asctime)s %(name)-10s %(levelname)8s %(message).80s %%", null],
    ["", null],
    ["%(process)d %(filename)s %(threadName)s %(levelno)03d %(created)+.3f %(msecs)#x", null],
    [
      "%(foo)s",
      "unknown field %(foo)s (there are %(asctime)s, %(name)s, %(levelname)s, %(message)s, %(levelno)s, %(created)s, %(msecs)s, %(process)s and Python's others)",
    ],
    [
      "%(toString)s",
      `unknown field %(toString)s (there are %(asctime)s, %(name)s, %(levelname)s, %(message)s, %(levelno)s, %(created)s, %(msecs)s, %(process)s and Python's others)`,
    ],
    ["at %(message)d", "%(message)d is for a number, and message is a text: %(message)s"],
    ["%(levelname)*s", 'not understood from "%(levelname)*s" on (a plain % is %%)'],
    ["100%", 'not understood from "%" on (a plain % is %%)'],
  ])("check of %j", (format, complaint) => {
    expect(checkFormat(format)).toBe(complaint);
  });
});

test.each([
  ["summoner:server", "summoner_server.log"],
  ["a.b", "a_b.log"],
  ["..", "__.log"],
  ["../../etc/passwd", "______etc_passwd.log"],
  ["", "_.log"],
  ["a\\b\0c\nd\x9b", "a_b_c_d_.log"],
  ["CON", "_CON.log"],
  ["com1", "_com1.log"],
  ["console", "console.log"],
  ["Übung 7-b", "Übung 7-b.log"],
  ["x".repeat(300), `${"x".repeat(80)}.log`],
])("the file of %j is %s", (name, expected) => {
  expect(logFileName(name)).toBe(expected);
});

describe("new settings", () => {
  test("move the file, keep what was queued, and change format and level", async () => {
    const { log, path, printed, settings } = open({
      enable_file_log: true,
      log_format: "%(message)s",
    });
    log.info("old");
    const moved = fresh();
    log.configure({
      ...settings,
      log_file_path: moved,
      log_format: "new %(message)s",
      log_level: "DEBUG",
    });
    log.debug("place");
    log.record(() => "a");
    await log.close();
    expect(read(path)).toBe("old\n");
    expect(read(join(moved, "summoner_server.log"))).toBe("new place\nnew a\n");
    expect(printed).toHaveLength(3);
    expect(log.stats()).toEqual({
      bytes_written: 20,
      lines_lost: 0,
      rotations: 0,
      failing: null,
    });
  });

  test("of the same file change its rotation", async () => {
    const { log, path, settings } = open({
      enable_file_log: true,
      log_format: "%(message)s",
    });
    log.info("one");
    log.configure({ ...settings, max_file_size: 4, backup_count: 1 });
    log.info("two");
    log.info("six");
    await log.close();
    expect([read(`${path}.1`), read(path)]).toEqual(["two\n", "six\n"]);
  });

  test("switch the file on and off", async () => {
    const { log, path, settings } = open();
    log.configure({
      ...settings,
      enable_file_log: true,
      log_format: "%(message)s",
    });
    log.info("on");
    log.configure({ ...settings, enable_console_log: false });
    log.info("off");
    expect(log.takesRecords).toBe(false);
    await log.close();
    expect(read(path)).toBe("on\n");
  });

  test("that cannot be applied leave the old ones", async () => {
    const { log, path, settings, printed } = open({
      enable_file_log: true,
      log_format: "%(message)s",
    });
    const bad = {
      ...settings,
      log_file_path: join(path, "under a file"),
      log_level: "CRITICAL" as const,
      enable_console_log: false,
    };
    expect(() => log.configure(bad)).toThrow(/^cannot write .*: part of the path is not a folder$/);
    log.info("still here");
    await log.close();
    expect(read(path)).toBe("still here\n");
    expect(printed).toEqual(["INFO still here\n"]);
  });

  test("that never worked are one clear line", () => {
    fs.writeFileSync(join(folder, "file"), "");
    const at = { enable_file_log: true, log_file_path: join(folder, "file") };
    expect(() => open(at)).toThrow(
      `cannot write ${join(folder, "file", "summoner_server.log")}: its folder is a file`,
    );
  });
});

describe("the file", () => {
  test("is written while the log goes on", async () => {
    const { log, clock, path } = open({
      enable_file_log: true,
      log_format: "%(message)s",
    });
    const written = Promise.withResolvers<void>();
    const watch = fs.watch(path, () => written.resolve());
    log.info("soon");
    clock.advance(50);
    await written.promise;
    watch.close();
    expect(read(path)).toBe("soon\n");
    await log.close();
  });

  test.skipIf(!fs.existsSync("/dev/full"))(
    "on a full disk is told of, on the console even when that is off",
    async () => {
      const log_file_path = fresh();
      fs.mkdirSync(log_file_path);
      fs.symlinkSync("/dev/full", join(log_file_path, "summoner_server.log"));
      const { log, printed, path } = open({
        enable_file_log: true,
        log_file_path,
        enable_console_log: false,
      });
      log.info("never arrives");
      await log.close();
      expect(printed).toEqual([
        `ERROR cannot write ${path}: no space left on device; lines wait in memory\n`,
        `ERROR closed ${path} with 1 lines unwritten: no space left on device\n`,
      ]);
      expect(log.stats().lines_lost).toBe(1);
    },
  );

  test("is whole after a crash exit", () => {
    const { log, path } = open({
      enable_file_log: true,
      log_format: "%(message)s",
    });
    for (let n = 0; n < 10_000; n++) log.record(() => `a ${n}`);
    log.closeSync();
    expect(read(path)).toBe(Array.from({ length: 10_000 }, (_, n) => `a ${n}\n`).join(""));
  });

  test("closed leaves no periodic work and takes no more lines", async () => {
    const { log, path, clock, printed } = open({
      enable_file_log: true,
      log_format: "%(message)s",
    });
    log.info("one");
    await log.close();
    log.info("two");
    for (let n = 0; n < 21; n++) log.record(() => "a b");
    printed.length = 0;
    clock.advance(10_000);
    expect([read(path), printed]).toEqual(["one\n", []]);
    await log.close();
  });
});

describe("standard output", () => {
  const program = (body: string, format = "") => `
    import { Log } from ${JSON.stringify(join(import.meta.dir, "../lib/host/log.ts"))};
    import { systemClock } from ${JSON.stringify(join(import.meta.dir, "../lib/host/clock.ts"))};
    const log = new Log("n", { log_level: "INFO", enable_console_log: true, console_log_format: ${JSON.stringify(format)}, enable_file_log: false,
      enable_json_log: false, log_file_path: "", log_format: "", max_file_size: 1, backup_count: 0, date_format: "", log_keys: null }, systemClock);
    ${body}`;

  test("closed by its reader does not end the server", async () => {
    const body = `
      let n = 0;
      const stop = systemClock.every(1, async () => {
        log.info("line " + n++);
        if (n < 50) return;
        stop();
        await log.close();
        console.error("alive");
      });`;
    const script = `"$0" -e "$1" | head -n 1`;
    const child = Bun.spawn(["sh", "-c", script, process.execPath, program(body)], {
      stderr: "pipe",
      stdout: "pipe",
    });
    expect(await child.stdout.text()).toBe(" INFO     line 0\n");
    expect(await child.stderr.text()).toBe("alive\n");
  });

  test("that nobody reads costs no memory without bound, and says so when it is read again", async () => {
    const body = `
      const line = "x".repeat(1000);
      for (let n = 0; n < 20_000; n++) log.info(line);
      console.error("written");
      systemClock.every(1, () => log.info("again"));`;
    const child = Bun.spawn([process.execPath, "-e", program(body)], {
      stdout: "pipe",
      stderr: "pipe",
    });
    await child.stderr.getReader().read();
    let text = "";
    for await (const bytes of child.stdout) {
      text += Buffer.from(bytes).toString("latin1");
      if (text.includes("again\n")) break;
    }
    child.kill();
    await child.exited;
    const shown = text.split("\n").filter((line) => line.endsWith("x")).length;
    expect(shown).toBeLessThan(15_000);
    const told = /\n\.\.\. (\d+) lines were not shown: nobody read them\n INFO     again\n/.exec(
      text,
    );
    expect(Number(told?.[1])).toBeGreaterThanOrEqual(20_000 - shown);
  });

  test.skipIf(process.platform === "win32")(
    "has colours on a terminal unless NO_COLOR is set",
    async () => {
      const body = `log.error("e"); await log.close();`;
      const shown = async (env: Record<string, string>, format = ""): Promise<string> => {
        let text = "";
        const child = Bun.spawn([process.execPath, "-e", program(body, format)], {
          env: { PATH: process.env["PATH"]!, ...env },
          terminal: {
            data: (_terminal, bytes) => void (text += Buffer.from(bytes).toString()),
          },
        });
        await child.exited;
        return text;
      };
      expect(await shown({})).toContain("\x1b[31mERROR   \x1b[0m e");
      expect(await shown({ NO_COLOR: "1" })).toContain(" ERROR    e");
      const own = "\x1b[1;32m%(message)s\x1b[0m!";
      expect(await shown({}, own)).toContain("\x1b[1;32me\x1b[0m!");
      expect(await shown({ NO_COLOR: "1" }, own)).toBe("e!\r\n");
      const piped = Bun.spawn([process.execPath, "-e", program(body, own)], { stdout: "pipe" });
      expect(await new Response(piped.stdout).text()).toBe("e!\n");
    },
  );
});

describe("records", () => {
  test("stand in the file in order with events, each with its own time", async () => {
    const { log, path, clock } = open({ enable_file_log: true, enable_console_log: false });
    log.record(() => "one");
    log.info("event");
    log.record(() => "two");
    clock.advance(7);
    log.record(() => "three");
    log.record(() => "10.0.0.1:5000 line");
    log.record(() => "four");
    await log.close();
    const line = (ms: number, text: string) =>
      `2026-01-02 03:04:05.${ms} - summoner:server - INFO - ${text}\n`;
    expect(read(path)).toBe(
      line(678, "one") +
        line(678, "event") +
        line(678, "two") +
        line(685, "three") +
        line(685, "10.0.0.1:5000 line") +
        line(685, "four"),
    );
    expect(log.tail()).toEqual([expect.stringContaining("event")]);
  });

  test.each([
    ["%(message)s", "GET / 200"],
    ["[%(message)-12s]", "[GET / 200   ]"],
    ["[%(message).3s]", "[GET]"],
    ["%(message)s, again %(message)s", "GET / 200, again GET / 200"],
    ["%(levelname)s", "INFO"],
  ])("take the format %s", async (log_format, expected) => {
    const { log, path } = open({ enable_file_log: true, log_format });
    log.record(() => "GET / 200");
    await log.close();
    expect(read(path)).toBe(`${expected}\n`);
  });

  test("reach the file with the next flush, and a new file from where it was opened", async () => {
    const { log, path, clock, settings } = open({ enable_file_log: true });
    log.record(() => "old");
    clock.advance(50);
    while (read(path) === "") await new Promise((resolve) => setImmediate(resolve));
    log.record(() => "still old");
    const elsewhere = join(folder, "elsewhere");
    log.configure({ ...settings, log_file_path: elsewhere });
    log.record(() => "new");
    await log.close();
    expect(read(path).match(/old/g)).toHaveLength(2);
    expect(read(join(elsewhere, logFileName("summoner:server")))).toMatch(/INFO - new\n$/);
  });

  test("in many are all there", async () => {
    const { log, path } = open({ enable_file_log: true, max_file_size: 2 ** 30 });
    for (let i = 0; i < 20_000; i++) log.record(() => `number ${i}`);
    await log.close();
    const lines = read(path).trimEnd().split("\n");
    expect(lines).toHaveLength(20_000);
    expect(lines.every((line, i) => line.endsWith(` number ${i}`))).toBe(true);
  });

  test("before a crash exit are written", () => {
    const { log, path } = open({ enable_file_log: true });
    log.record(() => "last");
    log.closeSync();
    expect(read(path)).toEndWith("INFO - last\n");
  });

  test("are JSON where the file is, and few on the console", async () => {
    const { log, path, printed } = open({ enable_file_log: true, enable_json_log: true });
    for (let i = 0; i < 25; i++) log.record(() => 'a "quoted" path');
    await log.close();
    const lines = read(path).trimEnd().split("\n");
    expect(lines).toHaveLength(25);
    expect(JSON.parse(lines[24] as string)).toMatchObject({ message: 'a "quoted" path' });
    expect(printed).toHaveLength(21);
    expect(printed[20]).toContain("5 more lines");
  });

  test("are not logged above INFO; what an operator did always is", async () => {
    const { log, path } = open({ enable_file_log: true, log_level: "CRITICAL" });
    log.record(() => "quiet");
    log.audit("an operator did this");
    await log.close();
    expect(read(path)).toMatch(/^[^\n]* - WARNING - an operator did this\n$/);
  });
});
