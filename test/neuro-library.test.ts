import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Brain,
  ConfigError,
  type ForceRequest,
  NeuroServer,
  type NeuroServerOptions,
  StartError,
} from "../index.ts";
import { examples } from "./examples.ts";
import { openssl, selfSigned, until } from "./kit.ts";
import { dialGame, type TestGame } from "./neuro-suite.ts";

const { example, started } = examples();
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** A game that has registered these actions, on a server that says nothing to startup but the character. */
async function play(port: number, ...actions: (string | object)[]): Promise<TestGame> {
  const game = await dialGame(port, "Test Game");
  endings.push(() => game.close());
  game.send("startup");
  game.register(...actions);
  return game;
}

describe("the examples of the page", () => {
  const free = (code: string) => code.replaceAll("8000", "0");
  const listening = /listening on \w+:\/\/\S+:(\d+)/;
  const portOf = async (found: Promise<RegExpExecArray>) => Number((await found)[1]);

  test("neuro-server.ts plays with a brain of its own", async () => {
    const path = await example("neuro-server.ts", free);
    const { program, found, said } = await started(path, [], listening);
    const game = await play(await portOf(found), "first", "second");
    expect((await game.next()).command).toBe("startup");
    game.send("context", { message: "It begins.", silent: true });
    game.force(["second", "first"]);
    const { id, name } = await game.action();
    expect(name).toBe("second");
    game.result(id, true);
    await until(() => said().includes("[Test Game] Context: It begins.\n"));
    program.kill("SIGTERM");
    expect(await game.closed).toEqual([1001, "shutdown"]);
    expect(await program.exited).toBe(0);
  });

  test("development.ts has a person play at the console", async () => {
    const path = await example("development.ts", free);
    const { program, found, said } = await started(path, [], listening);
    const game = await play(await portOf(found), "only");
    await game.next();
    game.force(["only"]);
    await until(() => said().includes("[1 Test Game] which action? (number or name)> "));
    program.stdin.write("only\n");
    program.stdin.flush();
    expect((await game.action()).name).toBe("only");
    program.kill("SIGINT");
    expect(await program.exited).toBe(0);
  });

  test("custom-client.ts keeps the rules over WebSockets of its own", async () => {
    const path = await example("custom-client.ts", free);
    const { program, found, said } = await started(path, [], listening);
    const game = await play(await portOf(found), "only");
    game.raw("nonsense");
    game.send("context", { message: "Hello.", silent: true });
    game.force(["only"]);
    const { id } = await game.action();
    game.result(id, false, "Not now.");
    const second = await game.action();
    game.result(second.id, true);
    await until(() => said().includes("Game context: Hello.\nGame context: Not now.\n"));
    program.kill();
    await program.exited;
  });

  test("client-session.ts sends what it has heard of", async () => {
    const path = await example("client-session.ts", free);
    const { program, found, said } = await started(path, [], listening);
    const game = await play(await portOf(found), "one", "two");
    game.send("mygame/hello");
    expect([(await game.action()).name, (await game.action()).name]).toEqual(["one", "two"]);
    await until(() => said().includes("Test Game can one, two\nTest Game says mygame/hello\n"));
    program.kill();
    await program.exited;
  });

  test("codec.ts decodes and encodes", async () => {
    const { all, said } = await started(await example("codec.ts"), [], /\n/);
    await all.catch(() => {});
    expect(said()).toBe(
      [
        "0 N109 Send silent as true or false.",
        '{"command":"action","data":{"id":"1","name":"move","data":"{\\"to\\":\\"\\u00e94\\"}"}}',
        "",
      ].join("\n"),
    );
  });
});

/** A server on a free port. */
async function serve(options: NeuroServerOptions = {}, Server = NeuroServer) {
  const server = new Server(options);
  const running = server.run("127.0.0.1", 0);
  endings.push(async () => {
    await server.stop();
    await running;
  });
  const { port } = await server.listening;
  return { server, port };
}

describe("NeuroServer", () => {
  test("plays with a brain that it is given, and sends what a program wants", async () => {
    const heard: string[] = [];
    const brain: Brain = {
      name: "mine",
      addContext: (game, message, reply) => void heard.push(`${game}: ${message} ${reply}`),
      chooseForceAction: (_game, { actions }) => ({ name: actions[0].name }),
    };
    const { server, port } = await serve({ brain });
    const game = await play(port, "a", "b");
    await game.next();
    game.send("context", { message: "Hi.", silent: false });
    game.force(["b"]);
    const { id } = await game.action();
    game.result(id, true, "Done.");
    await until(() => heard.length === 2);
    expect(heard).toEqual(["Test Game: Hi. true", "Test Game: Done. false"]);
    expect(server.games.map(({ name, actions }) => [name, actions.length])).toEqual([
      ["Test Game", 2],
    ]);
    const sent = server.sendAction("Test Game", "a");
    game.result((await game.action()).id, false, "No.");
    expect(await sent).toEqual({ success: false, message: "No." });
    expect(server.sendAction("Test Game", "c")).rejects.toThrow('there is no action "c"');
    expect(server.sendAction("Other", "a")).rejects.toThrow("there is no game Other");
    server.reregisterAll();
    server.requestShutdown("graceful");
    server.requestShutdown("immediate", "Other");
    server.requestShutdown("immediate", "Test Game");
    expect([await game.next(), await game.next(), await game.next()]).toEqual([
      { command: "actions/reregister_all" },
      { command: "shutdown/graceful", data: { wants_shutdown: true } },
      { command: "shutdown/immediate" },
    ]);
  });

  test("takes settings, and says all that is wrong with them", async () => {
    const { port } = await serve({ settings: { acknowledge: false, random_delay_ms: 0 } });
    const game = await play(port, "a");
    game.force(["a"]);
    expect((await game.next()).command).toBe("action");
    const wrong = new NeuroServer({ settings: { force_retries: -1, brian: "random" } });
    const error = await wrong.run("127.0.0.1", 0).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.problems).toEqual([
      "neuro.brian: unknown; did you mean brain?",
      expect.stringContaining("neuro.force_retries: found -1"),
    ]);
    expect(wrong.listening).rejects.toBe(error);
    const { server: busy, port: taken } = await serve();
    expect(new NeuroServer().run("127.0.0.1", taken)).rejects.toThrow(StartError);
    expect(busy.run()).rejects.toThrow("run once");
  });

  test("a brain that fails as it pleases harms nobody", async () => {
    class Bad extends NeuroServer {
      override addContext(): never {
        throw new Error("no memory");
      }
      override chooseForceAction(_game: string, { query }: ForceRequest): any {
        if (query === "throw") throw new Error("no idea");
        if (query === "rubbish") return Symbol("rubbish");
        return { name: "a" };
      }
    }
    const { port } = await serve({}, Bad);
    const game = await play(port, "a");
    await game.next();
    for (const query of ["throw", "rubbish"]) {
      game.send("context", { message: query, silent: false });
      game.force(["a"], { query });
    }
    game.force(["a"], { query: "well" });
    expect((await game.action()).name).toBe("a");
  });

  test.skipIf(!openssl)("speaks TLS", async () => {
    const folder = mkdtempSync(join(tmpdir(), "summoner-neuro-library-"));
    endings.push(() => rmSync(folder, { recursive: true }));
    const server = new NeuroServer();
    const running = server.run("127.0.0.1", 0, { tls: selfSigned(folder) });
    const { port } = await server.listening;
    const game = await dialGame(port, "Test Game", { tls: true });
    game.send("startup");
    expect((await game.next()).command).toBe("startup");
    await server.stop();
    await running;
  });
});
