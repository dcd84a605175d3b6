import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConsoleProcess } from "./console-suite.ts";
import { inTerminal } from "./init-suite.ts";

setDefaultTimeout(60_000);

const SAY = {
  name: "say",
  description: "Says something.",
  schema: {
    type: "object",
    properties: { text: { type: "string", maxLength: 5 }, times: { type: "integer", default: 1 } },
    required: ["text", "times"],
  },
};
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const LEFT = "\u001b[D";
const UP = "\u001b[A";

describe("in a terminal", () => {
  inTerminal("two games are played, by form and by JSON", async () => {
    const person = await ConsoleProcess.inTerminal();
    const [spire, poker] = [await person.enter("Spire", [SAY]), await person.enter("Poker")];
    spire.force(["say"], { query: "Say something.", state: "Silence." });
    await person.sees("[1 Spire] wants an action (priority low): Say something.");
    poker.force(["a", "b"]);
    await person.sees("[2 Poker] waits for you too");
    person.type("1\r");
    await person.sees("[1 Spire] say> ");
    person.type("\r");
    await person.sees("text> ");
    person.type("much too long\r");
    await person.sees("text: found much too long; wanted a text of at most 5 characters.");
    person.type(`hlo${LEFT}${LEFT}el${UP}\u0015hel\u007fllo\r`);
    await person.sees("times [1]> ");
    person.type("\r");
    expect(JSON.parse((await spire.action()).data as string)).toEqual({ text: "hello", times: 1 });
    await person.sees("[2 Poker] which action? (number or name)> ");
    person.type("2\r");
    expect((await poker.action()).name).toBe("b");
    await person.sees("[2 Poker] is sent b");
    person.type('send say {"text":"hi","times":2}\r');
    await person.sees("[1 Spire] say was not sent: say has not been answered yet");
    person.type(CTRL_C);
    expect(await person.ends()).toBe(0);
    await person.sees("SIGINT: draining for at most");
    await person.sees("Server exited cleanly.");
  });

  inTerminal("what is printed does not destroy the line that is typed", async () => {
    const person = await ConsoleProcess.inTerminal();
    const game = await person.enter("Spire");
    person.type("lis");
    await person.sees("> lis");
    game.send("context", { message: "In between.", silent: true });
    // The line is taken away, the news printed, and the line put below it again.
    await person.sees("tells (silently): In between.\r\n> lis");
    expect(person.raw).toContain("> lis\r\u001b[K");
    person.type("t\r");
    await person.sees("asks for nothing at present");
    // A force takes the line's place, and gives it back.
    person.type("hel");
    await person.sees("> hel");
    game.force(["a"]);
    await person.sees("which action? (number or name)> ");
    person.type("a\r");
    await person.sees("is sent a");
    await person.sees("> hel");
    person.type("p\r");
    await person.sees("What you can type:");
  });

  inTerminal(
    "Ctrl-C drains in the middle of questions, and leaves the terminal as it was",
    async () => {
      const person = await ConsoleProcess.inTerminal();
      const game = await person.enter("Spire", [SAY]);
      game.force(["say"]);
      await person.sees("which action?");
      person.type("say\r\rab");
      await person.sees("text> ab");
      person.type(CTRL_C);
      expect(await person.ends()).toBe(0);
      expect((await game.closed)[0]).toBe(1001);
      await person.sees("Server exited cleanly.");
      // Nothing of the prompt is left.
      expect(person.raw).toMatch(/Server exited cleanly\.\r\n$/);
    },
  );

  inTerminal("Ctrl-D and garbage end nothing", async () => {
    const person = await ConsoleProcess.inTerminal();
    person.type(CTRL_D);
    await person.sees("Ctrl-C stops the server; this console stays.");
    person.type("\u001b[<0;1;1M\u0000\u0001\u0002\u001b\u001b[\u009b2J\u202e\u001b[99~\t\r");
    await person.sees("There is no command");
    person.type(`${"x".repeat(200_000)}\r`);
    await person.sees(/and 65476 more\s+characters/);
    const game = await person.enter("Spire");
    game.force(["a"]);
    await person.sees("which action?");
    person.type(`${CTRL_D}\r\r\r999\ra\r`);
    expect((await game.action()).name).toBe("a");
  });

  inTerminal(
    "a game that leaves takes its questions with it, and what was typed for them",
    async () => {
      const person = await ConsoleProcess.inTerminal();
      const game = await person.enter("Spire", [SAY]);
      game.force(["say"]);
      await person.sees("which action?");
      person.type("1\r\rhal");
      await person.sees("text> hal");
      game.close();
      await person.sees("[1 Spire] has gone");
      person.type("list\r");
      await person.sees("No game is here.");
    },
  );

  inTerminal("a terminal that has gone ends it, cleanly", async () => {
    const person = await ConsoleProcess.inTerminal();
    const game = await person.enter("Spire");
    person.child.terminal?.close();
    expect(await person.ends()).toBe(0);
    expect((await game.closed)[0]).toBe(1001);
  });

  inTerminal("SIGHUP drains, since the terminal has gone", async () => {
    const person = await ConsoleProcess.inTerminal();
    person.child.kill("SIGHUP");
    expect(await person.ends()).toBe(0);
  });

  inTerminal(
    "lines are folded where the terminal ends, long ones that are typed scroll",
    async () => {
      const person = await ConsoleProcess.inTerminal({ columns: 50, env: { NO_COLOR: "1" } });
      const game = await person.enter("Spire");
      const long = await person.enter("Far too long a name for a line", ["a"]);
      long.force(["a"]);
      // The prompt leaves room for a line, and ends as prompts do.
      await person.sees("[2 Far too long a name for a> ");
      long.close();
      await person.sees("has gone");
      game.send("context", { message: `${"word ".repeat(30)}end.`, silent: true });
      await person.sees("end.");
      person.type(`${"日本".repeat(40)}end`);
      await person.sees("end");
      person.type("\r");
      await person.sees("There is no command");
      const lines = person.shown.split(/[\r\n]+/).filter((line) => !line.includes("INFO"));
      const widths = lines.map((line) => Bun.stringWidth(line));
      // What is typed is put on the paper whole once it is sent.
      const typed = Bun.stringWidth(`> ${"日本".repeat(40)}end`);
      expect(widths.filter((width) => width > 50 && width !== typed)).toEqual([]);
      // oxlint-disable-next-line no-control-regex
      expect(person.raw).not.toMatch(/\x1b\[[\d;]*m/);
    },
  );

  inTerminal("Tab completes, and up brings back what was typed", async () => {
    const person = await ConsoleProcess.inTerminal();
    const game = await person.enter("Spire", ["strike"]);
    person.type("sen\tstr\t\r");
    expect((await game.action()).name).toBe("strike");
    await person.sees("is sent strike");
    person.type(`${UP}\r`);
    await person.sees("strike was not sent: strike has not been answered yet");
  });
});

describe("in a pipe", () => {
  test("it is played line by line, without anything that is for terminals", async () => {
    const script = await ConsoleProcess.inPipe();
    const [spire, poker] = [await script.enter("Spire", [SAY]), await script.enter("Poker")];
    spire.force(["say"]);
    await script.sees("[1 Spire] which action? (number or name)> \n");
    script.type("say\n\nhello\n3\n");
    expect(JSON.parse((await spire.action()).data as string)).toEqual({ text: "hello", times: 3 });
    poker.force(["a", "b"]);
    await script.sees("[2 Poker] which action? (number or name)> \n");
    script.type("what\r\nb\r\n");
    await script.sees("There is no action what here: type 1 to 2, or a name.\n");
    expect((await poker.action()).name).toBe("b");
    expect(script.raw).not.toContain("\u001b");
    expect(script.raw).not.toContain("\r");
    script.child.kill("SIGINT");
    expect(await script.ends()).toBe(0);
  });

  test("its end, bad bytes and lines without an end end nothing", async () => {
    const script = await ConsoleProcess.inPipe();
    const game = await script.enter("Spire");
    script.type(`${"x".repeat(3_000_000)}\n\u0000\u0007\nlist\n`);
    await script.sees("A line of more than 1 MB was ignored.\n");
    await script.sees("There is no command \\x00\\x07");
    await script.sees("[1 Spire] asks for nothing at present");
    game.force(["a"]);
    await script.sees("which action?");
    // The last line has no end.
    script.type("send b");
    await script.endInput();
    await script.sees("standard input has ended: nobody can choose here");
    await script.sees("error N506: Nobody can choose");
    const other = await script.enter("Poker");
    other.force(["a"]);
    await script.sees("[2 Poker] error N506");
    script.child.kill("SIGTERM");
    expect(await script.ends()).toBe(0);
  });

  test.skipIf(process.platform === "win32")("that never ends games are served", async () => {
    const script = await ConsoleProcess.inPipe();
    const block = "help\n".repeat(50_000);
    script.type(block);
    const game = await script.enter("Spire");
    game.send("startup");
    expect((await game.next()).command).toBe("startup");
    script.child.kill("SIGINT");
    expect(await script.ends()).toBe(0);
  });
});

test("another brain plays where it is asked for", async () => {
  const script = await ConsoleProcess.inPipe({
    args: ["--brain", "random", "--set", "neuro.random_delay_ms=0", "--verbose"],
  });
  expect(script.raw).not.toContain("you choose it here");
  script.child.kill("SIGINT");
  expect(await script.ends()).toBe(0);
});
