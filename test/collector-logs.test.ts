import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import {
  appendFileSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { oldFilesOf } from "../lib/services/collector/file/names.ts";
import { verify } from "../lib/services/collector/verify.ts";
import { collecting, messageOf, record } from "./collector-suite.ts";
import { ended, until } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");

/** Runs a subcommand of `logs` to its end, on a log. */
function logs(path: string, args: readonly string[], sets: readonly string[] = []) {
  const all = [`collector.path=${path}`, ...sets].flatMap((one) => ["--set", one]);
  const cmd = [process.execPath, program, "logs", ...args, ...all];
  return ended(Bun.spawn(cmd, { stdin: "ignore", stdout: "pipe", stderr: "pipe" }));
}

/** A log of numbered messages over several files. */
async function logOf(count: number, own: object = {}): Promise<string> {
  const server = await collecting({ max_file_bytes: 2048, backup_count: 100, ...own });
  const sender = server.sender();
  for (let n = 0; n < count; n++) {
    sender.send(
      record({ message: `m${n}`, level: n % 12, timestamp: n % 3 === 0 ? "t".repeat(50) : "t" }),
    );
  }
  await until(() => server.stats()["written"] === count);
  await server.drain();
  return server.path;
}

const CHAIN = ["collector.hash_chain=true"];

describe("logs verify", () => {
  test("finds no problem in a log that is whole, over all its files", async () => {
    for (const own of [{}, { hash_chain: true }, { hash_chain: true, format: "json" }]) {
      const path = await logOf(100, own);
      const { out, err, code } = await logs(path, ["verify"], "hash_chain" in own ? CHAIN : []);
      expect([err, code]).toEqual(["", 0]);
      expect(out).toMatch(
        /: 100 lines in \d+ files, entries 0 to 99(; head 99:[0-9a-f]{16})?: no problems\n$/,
      );
    }
  });

  const edits: [string, (lines: string[]) => string[], RegExp][] = [
    [
      "a line that is missing",
      (lines) => lines.toSpliced(3, 1),
      /:4: entry \d+ is missing before it/,
    ],
    [
      "lines that are missing",
      (lines) => lines.toSpliced(3, 2),
      /:4: entries \d+ to \d+ are missing before it/,
    ],
    [
      "a line that is there twice",
      (lines) => lines.toSpliced(3, 0, lines[2] as string),
      /:4: entry \d+ is there twice/,
    ],
    [
      "lines out of order",
      ([a, b, ...rest]) => [b, a, ...rest] as string[],
      /:2: entry \d+ comes after \d+/,
    ],
    [
      "a line without a number",
      (lines) => lines.toSpliced(3, 1, "dear diary"),
      /:4: it has no number/,
    ],
  ];
  for (const [what, edit, message] of edits) {
    test(`finds ${what}`, async () => {
      const path = await logOf(50);
      const lines = readFileSync(`${path}.0`, "utf8").slice(0, -1).split("\n");
      writeFileSync(`${path}.0`, `${edit(lines).join("\n")}\n`);
      const { err, code } = await logs(path, ["verify"]);
      expect(err).toMatch(message);
      expect(code).toBe(1);
    });
  }

  test("takes no file for a gap that is removed while it reads, but reads all anew", async () => {
    for (const gone of [3, 1000]) {
      const path = await logOf(100);
      const old = oldFilesOf(fs, path).toReversed();
      let lines = 0;
      const found = await verify(path, {
        key: "",
        // It is asked for with each line: so the files go in the middle of one.
        get chained() {
          if (++lines === 3) for (const { path: file } of old.slice(0, gone)) unlinkSync(file);
          return false;
        },
      });
      const left = Math.max(0, old.length - gone);
      expect([found.faults, found.files, found.last]).toEqual([[], left + 1, 99]);
      expect(found.lines).toBe(99 - (found.first as number) + 1);
    }
  });

  test("finds a torn line", async () => {
    const path = await logOf(10);
    appendFileSync(path, "10 to");
    const { err, code } = await logs(path, ["verify"]);
    expect(err).toContain("it is cut short");
    expect(code).toBe(1);
  });

  test("finds by the hashes what was changed, with a key what somebody without it has made, and by a noted head what was cut", async () => {
    const key = join(dirname(await logOf(1)), "key");
    writeFileSync(key, "a key of more than 16 characters\n");
    const path = await logOf(50, { hash_chain: true, hash_key_file: key });
    const keyed = [...CHAIN, `collector.hash_key_file=${key}`];
    const { out } = await logs(path, ["verify"], keyed);
    const [, head] = /head (\d+:[0-9a-f]{16})/.exec(out) as unknown as [string, string];
    expect((await logs(path, ["verify", "--head", head], keyed)).code).toBe(0);
    // Without the key nothing fits.
    expect((await logs(path, ["verify"], CHAIN)).code).toBe(1);
    const before = readFileSync(`${path}.1`, "utf8");
    writeFileSync(`${path}.1`, before.replace(/m(\d)/, "M$1"));
    const changed = await logs(path, ["verify"], keyed);
    expect(changed.err).toMatch(/_main\.log\.1:1: its hash is wrong/);
    expect(changed.code).toBe(1);
    writeFileSync(`${path}.1`, before);
    // The newest lines are cut off, with all that they prove.
    unlinkSync(path);
    renameSync(`${path}.0`, path);
    const cut = await logs(path, ["verify", "--head", head], keyed);
    expect(cut.err).toContain("the log was cut or replaced");
    expect(cut.code).toBe(1);
  });

  test("says which entry nothing proves any more, and believes no noted head that is all there is", async () => {
    const path = await logOf(50, { hash_chain: true });
    const { out } = await logs(path, ["verify"], CHAIN);
    expect(out).not.toContain("nothing proves");
    const [, entry, hash] = /head (\d+):([0-9a-f]{16})/.exec(out) as unknown as string[];
    const oldest = oldFilesOf(fs, path).at(-1)?.path as string;
    unlinkSync(oldest);
    const left = await logs(path, ["verify"], CHAIN);
    expect([left.err, left.code]).toEqual(["", 0]);
    const [, first] = /entries (\d+) to 49/.exec(left.out) as unknown as string[];
    expect(Number(first)).toBeGreaterThan(0);
    expect(left.out).toContain(`entry ${first} is the first that is left`);
    // A single line of somebody else's with the hash that was noted.
    for (const { path: old } of oldFilesOf(fs, path)) unlinkSync(old);
    writeFileSync(path, `${entry} forged #${hash}\n`);
    const forged = await logs(path, ["verify", "--head", `${entry}:${hash}`], CHAIN);
    expect(forged.err).toContain("_main.log:1: nothing proves it");
    expect(forged.code).toBe(1);
  });

  test("of a log that is not there fails", async () => {
    const { err, code } = await logs(join(dirname(await logOf(1)), "none.log"), ["verify"]);
    expect([err, code]).toEqual([expect.stringContaining("none.log: there is no such log"), 1]);
  });
});

describe("logs tail", () => {
  test("prints the last lines, over rotated files, of a level and with a text", async () => {
    const path = await logOf(60);
    const messages = async (...args: string[]) => {
      const { out, code } = await logs(path, ["tail", ...args]);
      expect(code).toBe(0);
      return out
        .split("\n")
        .slice(0, -1)
        .map((line) => line.split(" ").at(-1));
    };
    expect(await messages()).toEqual([...Array(10).keys()].map((n) => `m${50 + n}`));
    expect(await messages("-n", "2")).toEqual(["m58", "m59"]);
    expect(await messages("--from", "57")).toEqual(["m57", "m58", "m59"]);
    expect(await messages("--level", "error", "-n", "4")).toEqual(["m46", "m47", "m58", "m59"]);
    expect(await messages("--grep", "m5", "--from", "0")).toEqual([
      "m5",
      ...[...Array(10).keys()].map((n) => `m5${n}`),
    ]);
    const { err, code } = await logs(path, ["tail", "--level", "loud", "-n", "x"]);
    expect(code).toBe(2);
    expect(err).toContain("--level: found loud");
    expect(err).toContain("--lines: found x");
  });

  test("looks for a text in what was sent, and not in the hash of a line", async () => {
    for (const format of ["columns", "json"]) {
      const path = await logOf(3, { hash_chain: true, format });
      const line = readFileSync(path, "utf8").split("\n")[1] as string;
      const hash = /([0-9a-f]{16})(?:"\})?$/.exec(line)?.[1] as string;
      const grep = (text: string) =>
        logs(
          path,
          ["tail", "--from", "0", "--grep", text],
          [...CHAIN, `collector.format=${format}`],
        );
      expect([await grep(hash), await grep("m1")]).toEqual([
        { out: "", err: "", code: 0 },
        { out: `${line}\n`, err: "", code: 0 },
      ]);
    }
  });

  test("tells of the entries whose file is gone", async () => {
    const path = await logOf(200);
    const numbers = readFileSync(`${path}.1`, "utf8").trimEnd().split("\n").map(parseFloat);
    const [first = NaN] = numbers;
    const last = numbers.at(-1);
    unlinkSync(`${path}.1`);
    const { out, err, code } = await logs(path, ["tail", "--from", "0"]);
    expect([err, code]).toEqual([
      `warning: entries ${first} to ${last} are gone: their file is not there\n`,
      0,
    ]);
    expect(out).toContain(`\n${first - 1} `);
  });

  test("follows what is written, across rotations, each line once", async () => {
    const server = await collecting({ max_file_bytes: 2048, backup_count: 100 });
    const set = ["--set", `collector.path=${server.path}`];
    const child = Bun.spawn(
      [process.execPath, program, "logs", "tail", "-f", "--from", "0", ...set],
      {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
      },
    );
    let said = "";
    const heard = (async () => {
      for await (const bytes of child.stdout) said += new TextDecoder().decode(bytes);
    })();
    const sender = server.sender();
    for (let n = 0; n < 200; n++) {
      sender.send(record({ message: `m${n}` }));
      if (n % 50 === 49) await until(() => said.includes(` m${n}\n`));
    }
    child.kill("SIGTERM");
    await heard;
    expect(await child.exited).toBe(0);
    expect(said.split("\n").slice(0, -1).map(messageOf)).toEqual(
      [...Array(200).keys()].map((n) => `m${n}`),
    );
    await server.drain();
  });

  test("of a large log gathers nothing for a reader that is slow", async () => {
    const path = join(dirname(await logOf(1)), "large.log");
    const LINES = 200_000;
    const rest = "x".repeat(1000);
    for (let n = 0; n < LINES; n += 1000) {
      const lines = [...Array(1000).keys()].map((k) => `${n + k} ${rest}\n`);
      appendFileSync(path, lines.join(""));
    }
    // Its reader waits for a word before it reads anything.
    const piped = '{ "$@" 3<&- | { read go <&3; wc -c; }; } 3<&0';
    const tail = [process.execPath, program, "logs", "tail", "--from", "0"];
    const shell = Bun.spawn(["sh", "-c", piped, "sh", ...tail, "--set", `collector.path=${path}`], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const pid = () =>
      readFileSync(`/proc/${shell.pid}/task/${shell.pid}/children`, "utf8").split(" ")[0];
    await until(() => pid() !== "");
    const of = `/proc/${pid()}/status`;
    const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(of, "utf8"))?.[1]) / 1024;
    // It stops, or has read all of the log and gathered it.
    let idle = 0;
    await until(() => {
      idle = peak() > 40 && /State:\s+S/.test(readFileSync(of, "utf8")) ? idle + 1 : 0;
      return idle > 500;
    });
    // The log has 200 MB.
    expect(peak()).toBeLessThan(180);
    shell.stdin.write("go\n");
    await shell.stdin.end();
    expect(Number(await new Response(shell.stdout).text())).toBe(statSync(path).size);
    expect(await shell.exited).toBe(0);
  });

  test("of a log that is not there says so", async () => {
    const { err, code } = await logs("/tmp/no/such.log", ["tail"]);
    expect(err).toBe("error: /tmp/no/such.log: there is no such log\n");
    expect(code).toBe(1);
  });
});
