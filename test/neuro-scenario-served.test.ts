import { expect, test } from "bun:test";
import { services } from "../index.ts";
import { faultsOf } from "../lib/host/service/check.ts";
import { configOf, until } from "./kit.ts";
import { scenarioTests } from "./neuro-scenario-suite.ts";
import { enter, gameOf, startNeuro, toldOf, turns } from "./neuro-suite.ts";

const { written } = scenarioTests();

const FILE = `
start = "not in a server that runs"
[[scenarios]]
name = "a is chosen"
steps = [{ expect = "force", actions = "b" }, { answer = "a" }, { expect = "success" }]
[[scenarios]]
name = "of another"
game = "Other"
steps = [{ wait = 1 }]
`;

test("a server that runs plays scenarios with each game that comes", async () => {
  const server = await startNeuro({ brain: "scenario", scenario: written(FILE) });
  for (const success of [true, false]) {
    const game = await enter(server);
    game.force(["a", "b"]);
    const { id, name } = await game.action();
    expect(name).toBe("a");
    game.result(id, success, "So.");
    const end = success ? "passed in 0 s" : "failed: ";
    await until(() => server.printed().includes(`scenario a is chosen with Test Game ${end}`));
    // Nobody plays any more: a force is not left waiting.
    game.force(["b"]);
    await until(() => (toldOf(server)["brain_failed"] ?? 0) > 0);
    await until(() => gameOf(server)?.force === null);
    game.close();
    await until(() => server.printed().split("has gone").length === (success ? 2 : 3));
  }
  expect(server.printed()).toContain('a failed; its message says "So."');
  expect(server.printed()).not.toContain("of another");
});

test("what a game of the same name did before is none of the next one's", async () => {
  const file = written('steps = [{ expect = "context", message = "hello" }]');
  const server = await startNeuro({ brain: "scenario", scenario: file });
  const first = await enter(server);
  for (let i = 0; i < 2; i++) first.send("context", { message: "hello", silent: true });
  await until(() => server.printed().includes("passed"));
  first.close();
  await until(() => gameOf(server) === undefined);
  const second = await enter(server);
  second.send("context", { message: "bye", silent: true });
  await turns();
  server.clock.advance(10_000);
  await until(() => server.printed().includes("failed: "));
});

test("a game that no scenario is for is not played", async () => {
  const file = written('game = "Chess"\nsteps = [{ expect = "force" }]');
  const server = await startNeuro({ brain: "scenario", scenario: file });
  const game = await enter(server);
  game.force(["a"]);
  await until(() => toldOf(server)["brain_failed"] === 1);
});

test("while a scenario is played with one game, another is refused", async () => {
  const server = await startNeuro({ brain: "scenario", scenario: written(FILE) });
  const first = await enter(server);
  const second = await enter(server, "Second");
  second.force(["a"]);
  await until(() => toldOf(server, "Second")["brain_failed"] === 1);
  first.force(["a", "b"]);
  first.result((await first.action()).id, true);
  await until(() => server.printed().includes("scenario a is chosen with Test Game passed"));
  await server.stop();
});

test("a stop ends what is played", async () => {
  const server = await startNeuro({ brain: "scenario", scenario: written(FILE) });
  await enter(server);
  await server.stop();
  await until(() => server.printed().includes("with Test Game failed: "));
});

test("check tells what is wrong with the file, and the server does not start with it", async () => {
  const faults = async (scenario: string) => {
    const config = configOf({ neuro: { enabled: true, port: 0, brain: "scenario", scenario } });
    return (await faultsOf(services, config)).map(({ where, message }) => `${where}: ${message}`);
  };
  const wrong = written("steps = [\n  { exepct = 'force' }]");
  expect(await faults(wrong)).toEqual([`${wrong}:2:5: exepct: unknown key; did you mean expect?`]);
  expect(await faults("none.toml")).toEqual(["none.toml: cannot be read: there is no such file"]);
  expect(await faults(written(FILE))).toEqual([]);
  expect(await faults(written("export const x = 1;", "none.ts"))).toEqual([
    expect.stringContaining("none.ts: it has no default export"),
  ]);
  expect(await faults(written("export default () => {};", "fine.ts"))).toEqual([]);
  await expect(startNeuro({ brain: "scenario", scenario: wrong })).rejects.toThrow(
    `neuro.brain: ${wrong}:2:5: exepct`,
  );
  expect(() => configOf({ neuro: { enabled: true, brain: "scenario" } })).toThrow(
    "neuro.scenario (not given): the brain scenario plays, so a file has to be named",
  );
});
