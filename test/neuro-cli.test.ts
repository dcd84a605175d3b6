import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ended } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");

/** Runs `neuro` to its end, in a folder of its own whose `summoner.toml` holds this. */
async function neuro(args: readonly string[], toml = "") {
  const cwd = mkdtempSync(join(tmpdir(), "summoner-neuro-"));
  if (toml !== "") writeFileSync(join(cwd, "summoner.toml"), toml);
  const cmd = [process.execPath, program, "neuro", ...args];
  try {
    return await ended(Bun.spawn(cmd, { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" }));
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

test.each([
  [["--port", "x"], 'error: --port: neuro.port: found "x" (text); allowed: a whole number'],
  [["--host", ""], "error: --host: needs a value, HOST"],
  [["--brain", "robot"], 'error: --brain: neuro.brain: found "robot"'],
  [["--set", "neuro.brains=1"], "error: --set: neuro.brains: found 1"],
  [["tset"], "error: WHAT: found tset; allowed: "],
  [["console", "a.toml"], "error: a.toml: unexpected argument"],
] as const)("neuro %j is refused", async (args, message) => {
  const { out, err, code } = await neuro(args);
  expect([out, code]).toEqual(["", 2]);
  expect(err).toStartWith(message);
});

test("neuro takes the settings of the file, and problems of it are told with their place", async () => {
  const { err, code } = await neuro([], '[neuro]\nenabled = false\nstrict = "no"\n');
  expect(code).toBe(2);
  expect(err).toStartWith("error: summoner.toml:3:1: neuro.strict: found ");
});

test("neuro --help tells of every subcommand", async () => {
  const { out, code } = await neuro(["--help"]);
  expect(code).toBe(0);
  expect(out).toContain("Usage: bun run index.ts neuro [WHAT]");
  expect(out).toContain("console (or nothing):");
});
