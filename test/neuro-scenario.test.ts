import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { junitReport } from "../lib/services/neuro/scenario/report/junit.ts";
import { jsonReport } from "../lib/services/neuro/scenario/report/report.ts";
import type { Outcome } from "../lib/services/neuro/scenario/play/run.ts";
import { examples } from "./examples.ts";
import { ended, until } from "./kit.ts";
import { dialGame } from "./neuro-suite.ts";
import { why, scenarioTests } from "./neuro-scenario-suite.ts";
import { pages } from "./pages.ts";

const { folder, stage, written } = scenarioTests();
setDefaultTimeout(60_000);

const { example } = examples();
const ROOT = join(import.meta.dir, "..");
const FIXTURES = join(import.meta.dir, "fixtures/neuro-game");
const PAGE = "lib/services/neuro/scenario/README.md";
/** Games are started by the name of the program. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };

/** Starts `neuro test` with these words. */
function started(args: readonly string[], cwd = folder) {
  const cmd = [process.execPath, join(ROOT, "index.ts"), "neuro", "test", ...args];
  return Bun.spawn(cmd, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

const ran = (...given: Parameters<typeof started>) => ended(started(...given));

/** A game of these lines, which begin with a connection. @returns the command that starts it */
function game(name: string, ...lines: readonly string[]): string {
  const head = [
    'const socket = new WebSocket(process.env["NEURO_SDK_WS_URL"] as string);',
    'const send = (command: string, data?: object) => socket.send(JSON.stringify({ command, game: "Test Game", data }));',
  ];
  written([...head, ...lines].join("\n"), name);
  return `bun run ${name}`;
}

/** What a stream has said, until a pattern is in it. */
async function saying(stream: ReadableStream<Uint8Array>, pattern: RegExp) {
  let said = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    said += decoder.decode(bytes, { stream: true });
    const found = pattern.exec(said);
    if (found) return found;
  }
  throw new Error(`it ended after saying ${said}`);
}

/** Whether a process runs; one that nobody has buried does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, "utf8"));
  } catch {
    return false;
  }
}

describe("the example of the page", () => {
  test.each(["tic-tac-toe.ts", "tic-tac-toe.toml"])("%s is printed as it is", (name) => {
    const text = readFileSync(join(FIXTURES, name), "utf8");
    expect(pages.get(PAGE)).toContain(`\n${text}\`\`\`\n`);
  });

  test("passes with exit code 0", async () => {
    const { out, err, code } = await ran(["tic-tac-toe.toml"], FIXTURES);
    expect([err, code]).toEqual(["", 0]);
    expect(out).toStartWith("tic-tac-toe.toml: Neuro wins\n  ✓ the game connects ");
    expect(out).toEndWith("\n2 of 2 passed, 0 failed\n");
    expect(out).not.toContain("✗");
  });

  test("in TypeScript plays by what the game says", async () => {
    const path = await example("last-free.ts");
    writeFileSync(
      join(dirname(path), "tic-tac-toe.ts"),
      readFileSync(join(FIXTURES, "tic-tac-toe.ts")),
    );
    const { out, code } = await ran([path]);
    expect(out).toContain("✓ expect context /won|lost/");
    expect(code).toBe(0);
  });

  test("that expects something else fails with exit code 1, its place and the reason", async () => {
    const { out, code } = await ran(["wrong.toml"], FIXTURES);
    expect(code).toBe(1);
    expect(out).toContain('  ✗ expect success "You play cell 6" ');
    expect(out).toContain('  failed: wrong.toml:5:3: the message says "You play cell 5."\n');
    expect(out).toContain("  - expect force play\n");
    expect(out).toMatch(/\n {4}[\d.]+ s from the game: \{"command":"actions\/force"/);
    expect(out).toMatch(/\n {4}[\d.]+ s to the game: \{"command":"action"/);
    expect(out).toEndWith("\n0 of 1 passed, 1 failed\n");
  });

  test("is told as JSON, and quietly", async () => {
    const { out, code } = await ran(["tic-tac-toe.toml", "wrong.toml", "--json"], FIXTURES);
    expect(code).toBe(1);
    expect(out.trimEnd()).not.toContain("\n");
    const { passed, scenarios } = JSON.parse(out);
    expect(passed).toBe(false);
    expect(scenarios.map((one: any) => [one.name, one.state, one.failure?.where])).toEqual([
      ["Neuro wins", "passed", undefined],
      [expect.stringContaining("A cell that is taken"), "passed", undefined],
      ["wrong.toml", "failed", "wrong.toml:5:3"],
    ]);
    const quiet = await ran(["tic-tac-toe.toml", "wrong.toml", "--quiet"], FIXTURES);
    expect(quiet.out).toStartWith("wrong.toml\n  ✓ the game connects");
    expect(quiet.code).toBe(1);
  });
});

describe("files that are wrong", () => {
  test("are told together with exit code 2, and nothing is played", async () => {
    written("steps = [{ exepct = 'force' }]", "first.toml");
    written("start = 'touch played'\nsteps = [{ wait = 1 }]\nlimit = 'x'", "second.toml");
    const junit = ["--junit", "no.xml"];
    const { out, err, code } = await ran(["first.toml", "second.toml", "third.toml", ...junit]);
    expect([out, code]).toEqual(["", 2]);
    expect(err.split("\n")).toEqual([
      "error: first.toml:1:12: exepct: unknown key; did you mean expect?",
      expect.stringMatching(/^error: second.toml:3:1: limit: found "x" \(text\); allowed: /),
      "error: third.toml: cannot be read: there is no such file",
      "Nothing was played.",
      "",
    ]);
    expect(await Bun.file(join(folder, "no.xml")).exists()).toBe(false);
    expect(await Bun.file(join(folder, "played")).exists()).toBe(false);
  });

  test("and words that are wrong", async () => {
    expect(await ran([])).toMatchObject({ code: 2, err: expect.stringContaining("FILE: missing") });
    written("steps = [{ wait = 1 }]", "fine.toml");
    const { err, code } = await ran([
      "fine.toml",
      "--junit",
      "fine.toml/x.xml",
      "--set",
      "neuro.strict=3",
    ]);
    expect(err).toContain("neuro.strict: found 3");
    expect(code).toBe(2);
    const unwritable = await ran(["fine.toml", "--junit", "fine.toml/x.xml"]);
    expect(unwritable.err).toStartWith("error: --junit: fine.toml/x.xml cannot be written: ");
    expect(unwritable.code).toBe(2);
  });
});

describe("a game that does not do its part", () => {
  const reason = (out: string) => /\n {2}failed: (.*)\n/.exec(out)?.[1];

  test("hangs: the report has what was waited for", async () => {
    const start = game(
      "hangs.ts",
      'socket.onopen = () => { send("startup"); send("context", { message: "Wait.", silent: true }); };',
      'console.log("thinking\\u001b[2J");',
    );
    written(`start = "${start}"\nsteps = [{ expect = "force", within = 0.4 }]`, "hangs.toml");
    const { out, code } = await ran(["hangs.toml"]);
    expect(code).toBe(1);
    expect(reason(out)).toBe("hangs.toml:2:10: no such force came within 0.4 s");
    expect(out).toMatch(
      /What the game did meanwhile:\n {4}[\d.]+ s startup\n {4}[\d.]+ s context "Wait."\n/,
    );
    expect(out).toContain("  What the game printed last:\n    thinking\\x1b[2J\n");
  });

  test("never comes", async () => {
    game("never.ts", "socket.close();", "setInterval(() => {}, 1000);");
    written(
      'start = "bun run never.ts"\nconnect_within = 0.4\nsteps = [{ wait = 1 }]',
      "never.toml",
    );
    const { out, code } = await ran(["never.toml"]);
    expect(code).toBe(1);
    expect(reason(out)).toMatch(/^never\.toml: no game has connected to ws:\/\/\S+ within 0.4 s$/);
    expect(out).toContain("  ✗ the game connects ");
  });

  test("fails to start, or leaves in the middle", async () => {
    written('start = "./none --level 1"\nsteps = [{ wait = 1 }]', "a-none.toml");
    written('start = "no-such-program"\nsteps = [{ wait = 1 }]', "b-none.toml");
    written('console.error("no licence"); process.exit(3);', "crash.ts");
    written('start = "bun run crash.ts"\nsteps = [{ wait = 1 }]', "c-crash.toml");
    const start = game(
      "leaves.ts",
      'socket.onopen = () => { send("startup"); send("actions/register", { actions: [{ name: "go", description: "Goes." }] }); };',
      'socket.onmessage = ({ data }) => { if (JSON.parse(data).command === "action") process.exit(4); };',
    );
    written(
      `start = "${start}"\nsteps = [{ send = "go" }, { expect = "success" }]`,
      "d-leaves.toml",
    );
    const files = ["a-none.toml", "b-none.toml", "c-crash.toml", "d-leaves.toml"];
    const { out, code } = await ran(files);
    expect(code).toBe(1);
    expect([...out.matchAll(/\n {2}failed: (.*)/g)].map(([, one]) => one)).toEqual([
      "a-none.toml: ./none cannot be started: there is no such file",
      "b-none.toml: there is no program no-such-program",
      "c-crash.toml: the game has ended with code 3",
      "d-leaves.toml:2:27: go got no result: the game has gone",
    ]);
    expect(out).toContain("  The game has ended with code 3:\n    no licence\n");
    expect(out).toContain("  The game has ended with code 4:\n");
  });
});

test("an error that a function leaves to nobody fails its scenario", async () => {
  const start = game("idle.ts", 'socket.onopen = () => send("startup");');
  written(
    `export const start = "${start}";\nexport default async (game) => { setImmediate(() => { throw new Error("lost"); }); await game.wait(600); };`,
    "stray.ts",
  );
  const { out, code } = await ran(["stray.ts"]);
  expect(out).toContain("failed: stray.ts: outside of any step: lost\n");
  expect(code).toBe(1);
});

describe("the game's process", () => {
  /** Ignores SIGTERM, and has a child that does too. */
  const stubborn = () =>
    game(
      "stubborn.ts",
      'process.on("SIGTERM", () => {});',
      `const child = Bun.spawn(["sh", "-c", "trap '' TERM; sleep 600 & wait; wait"]);`,
      'socket.onopen = () => send("startup");',
      "socket.onmessage = () => console.log(`pids ${process.pid} ${child.pid}`);",
    );

  test("ends on Ctrl-C with all that it has started, and the report says so", async () => {
    written(`start = "${stubborn()}"\nsteps = [{ expect = "force", within = 600 }]`, "waits.toml");
    const program = started(["waits.toml", "waits.toml", "--junit", "waits.xml", "--verbose"]);
    const out = new Response(program.stdout).text();
    const [, ...pids] = await saying(program.stderr, /game: pids (\d+) (\d+)\n/);
    program.kill("SIGINT");
    expect(await program.exited).toBe(1);
    expect(await out).toContain("failed: waits.toml:2:10: interrupted by SIGINT\n");
    expect(await out).toContain("\n0 of 2 passed, 1 failed, 1 not played\n");
    const xml = await Bun.file(join(folder, "waits.xml")).text();
    expect(xml).toContain('tests="2" failures="1" errors="0" skipped="1"');
    await until(() => !pids.some((pid) => isAlive(Number(pid))));
  });

  test("ends at once on a second one", async () => {
    written(`start = "${stubborn()}"\nsteps = [{ expect = "force", within = 600 }]`, "cut.toml");
    const program = started(["cut.toml", "--verbose"]);
    const [, ...pids] = await saying(program.stderr, /game: pids (\d+) (\d+)\n/);
    program.kill("SIGINT");
    program.kill("SIGTERM");
    expect(await program.exited).toBe(1);
    await until(() => !pids.some((pid) => isAlive(Number(pid))));
  });
});

test("without a start, a game that is started by hand is waited for", async () => {
  written('steps = [{ expect = "context", message = "Hello" }]', "by-hand.toml");
  const program = started(["by-hand.toml", "--port", "0"]);
  const [, port] = await saying(program.stderr, /games connect to ws:\/\/127\.0\.0\.1:(\d+)/);
  const mine = await dialGame(Number(port));
  mine.send("startup");
  mine.send("context", { message: "Hello.", silent: true });
  expect(await program.exited).toBe(0);
  mine.close();
});

describe("a function", () => {
  let files = 0;
  /** Plays the body of a function against a game that has registered an action. */
  async function called(body: string, more = "") {
    const { enter, play, late } = await stage();
    const code = `${more}export default async function (game) {\n${body}\n}\n`;
    const outcomes = play(code, `function-${++files}.ts`);
    const game = await enter();
    game.register("go");
    return { game, outcomes: await late(outcomes) };
  }

  test("does steps, and is given what they find", async () => {
    const { outcomes } = await called(`
      const [go] = await game.expect("register", { actions: "go" });
      if (go.description !== "Does go." || game.name !== "Test Game") throw new Error("other");
      if (game.actions.length !== 1) throw new Error("none");
      await game.send("go");
      await game.say("Hm.");
      await game.ask("no shutdown");
      await game.wait(0.1);
      await game.expect("no errors");
      await game.disconnect();`);
    expect(why(outcomes)).toBe("");
    expect(outcomes[0]?.steps.map(({ text, state }): string => `${text}: ${state}`)).toEqual([
      "the game connects: passed",
      "expect register go: passed",
      "send go: passed",
      'say "Hm.": passed',
      "ask no shutdown: passed",
      "wait 0.1: passed",
      "expect no errors: passed",
      "disconnect cleanly: passed",
    ]);
  });

  test.each([
    ["throw new TypeError('wrong')", "TypeError: wrong", ".ts:3:"],
    ["game.expect('force', { within: 1 });", "no such force came within 1 s", ""],
    [
      "await game.expect('force', { within: 1 }).catch(() => {}); await game.wait(1);",
      "no such force came within 1 s",
      "",
    ],
    ["await game.expect('frce')", /^expect: found "frce" .*; did you mean "force"\?$/, ""],
    ["await game.expect('success')", "no action was answered or sent before it", ""],
    ["await new Promise(() => {})", "the function has not returned within the limit of 3 s", ""],
  ])("%s fails", async (body, reason, where) => {
    const { outcomes } = await called(body, "export const limit = 3;\n");
    if (typeof reason === "string") expect(why(outcomes)).toBe(reason);
    else expect(why(outcomes)).toMatch(reason);
    expect(outcomes[0]?.failure?.where).toContain(where);
  });
});

describe("JUnit", () => {
  const python = Bun.which("python3");
  const hostile = `</failure>]]>&"' \u0000\u001b[2J\u0085\u202e\ufffe\uffff\ud800 é😀\n\tnext`;

  /** What became of a scenario, with hostile texts wherever a text can come from outside. */
  function outcome(state: Outcome["state"], name: string, file = "a&b.toml"): Outcome {
    return {
      plan: { file, name } as Outcome["plan"],
      state,
      failure: state === "failed" ? { why: hostile, where: "a.toml:1:2" } : null,
      startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
      ms: 1234,
      steps: [{ text: hostile, where: "", state, ms: 5 }],
      meanwhile: [hostile],
      diagnostics: [],
      frames: [{ at: 1, direction: "in", text: hostile }],
      program: { end: null, lines: [hostile] },
    };
  }

  const outcomes = [
    outcome("passed", "one"),
    outcome("failed", hostile),
    outcome("skipped", "three"),
    outcome("passed", "other", "c.toml"),
  ];

  test.skipIf(!python)("is read by a parser of XML, whatever it holds", async () => {
    const path = written(junitReport(outcomes), "hostile.xml");
    const code = [
      "import json, sys, xml.etree.ElementTree as x",
      "def read(e): return [e.tag, e.attrib, (e.text or ''), [read(c) for c in e]]",
      "print(json.dumps(read(x.parse(sys.argv[1]).getroot())))",
    ].join("\n");
    const {
      out,
      err,
      code: exit,
    } = await ended(
      Bun.spawn([python as string, "-c", code, path], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    expect([err, exit]).toEqual(["", 0]);
    const [tag, all, , suites] = JSON.parse(out);
    expect([tag, all.tests, all.failures, all.skipped, all.errors]).toEqual([
      "testsuites",
      "4",
      "1",
      "1",
      "0",
    ]);
    expect(
      suites.map(([, { name, tests, time, timestamp }]: any) => [name, tests, time, timestamp]),
    ).toEqual([
      ["a&b.toml", "3", "3.702", "2026-01-02T03:04:05"],
      ["c.toml", "1", "1.234", "2026-01-02T03:04:05"],
    ]);
    const [passed, failed, skipped] = suites[0][3];
    const shown = `</failure>]]>&"' \\x00\\x1b[2J\\x85\\u202e\\ufffe\\uffff\ufffd é😀\\n\tnext`;
    expect([passed[1].name, failed[1].name, failed[1].classname]).toEqual([
      "one",
      shown,
      "a&b.toml",
    ]);
    expect(failed[3][0][0]).toBe("failure");
    expect(failed[3][0][1].message).toBe(shown);
    expect(failed[3][0][2]).toContain(`from the game: ${shown}`);
    expect(skipped[3].map(([one]: any) => one)).toEqual(["skipped", "system-out"]);
    expect(passed[3].map(([one]: any) => one)).toEqual(["system-out"]);
  });

  test("and JSON hold the same", () => {
    const { scenarios, passed } = jsonReport(outcomes) as any;
    expect(passed).toBe(false);
    expect(scenarios[1]).toMatchObject({ name: hostile, state: "failed", seconds: 1.234 });
  });
});
