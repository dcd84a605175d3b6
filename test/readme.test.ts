import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { load } from "../lib/config/load.ts";
import { type Config, settings } from "../lib/config/table.ts";
import { services } from "../index.ts";
import type { Running, Service } from "../lib/host/service.ts";
import { ask, boot, dial, ended, until } from "./kit.ts";
import { examples } from "./examples.ts";
import { everyPage } from "./pages.ts";

const { root, folder, example, started } = examples();

const READY = /relay is ready on 127\.0\.0\.1:(\d+)/;

describe("the examples of the pages", () => {
  test.each(["server.ts", "plain.ts"])("%s relays lines until it is told to stop", async (name) => {
    await Bun.write(join(folder, "server.json"), '{ "version": "rust", "port": 0 }');
    const path = await example(name, (code) =>
      code.replace("port: 9000", "port: 0").replace("0.0.0.0", "127.0.0.1"),
    );
    const { program, found, all, said } = await started(path, [], READY);
    const port = Number((await found)[1]);
    const [a, b] = [await dial(port), await dial(port)];
    await until(() => said().includes("(2 clients)"));
    a.send("hello\n");
    expect(JSON.parse(await b.next()).content).toBe("hello");
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    await all;
    expect(said().trimEnd()).toEndWith("Server exited cleanly.");
  });

  test("doorman.ts greets and observes", async () => {
    await Bun.write(join(folder, "server.json"), '{ "version": "rust", "port": 0 }');
    const { program, found, said } = await started(await example("doorman.ts"), [], READY);
    const client = await dial(Number((await found)[1]));
    expect(await client.next()).toBe("Welcome.");
    client.send("hello\n");
    await until(() => said().includes(`${client.address} said hello\n`));
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  });

  test("client.ts prints what others say and sends what is typed", async () => {
    const server = await boot();
    const path = await example("client.ts");
    const { program, found } = await started(path, ["127.0.0.1", `${server.port()}`], /: (.*)\n/);
    await until(() => server.stats()["clients"] === 1);
    const other = await server.join();
    other.send("hello\n");
    expect((await found)[1]).toBe("hello");
    program.stdin.write("typed\n");
    program.stdin.flush();
    expect(JSON.parse(await other.next()).content).toBe("typed");
    program.kill();
    await program.exited;
    await server.stop();
  });

  test("hello.ts and api.ts answer over HTTP", async () => {
    const free = (code: string) => code.replace("port: 8080", "port: 0");
    const listening = /listening on (http:\S+)\//;
    const hello = await started(await example("hello.ts", free), [], listening);
    const answer = await fetch((await hello.found)[1] as string);
    expect([answer.headers.get("content-type"), await answer.text()]).toEqual([
      "text/html",
      "Hello, World!",
    ]);
    const api = await started(await example("api.ts", free), [], listening);
    const origin = (await api.found)[1] as string;
    expect(await (await fetch(origin)).json()).toEqual({ message: "Hello, World!" });
    const posted = await fetch(origin, { method: "POST", body: "12345" });
    expect(await posted.json()).toEqual({ status: "processed", bytes: 5 });
    for (const { program } of [hello, api]) {
      program.kill("SIGTERM");
      expect(await program.exited).toBe(0);
    }
  });

  test("ticking.ts ticks apart from its requests", async () => {
    await example("ticks.ts", (code) => code.replace("seconds = 5", "seconds = 0.05"));
    const path = await example("ticking.ts", (code) => code.replace("port: 8080", "port: 0"));
    const { program, found, all, said } = await started(path, [], /listening on (http:\S+)\//);
    const origin = (await found)[1] as string;
    const ticks = async () => ((await (await fetch(origin)).json()) as { ticks: number }).ticks;
    while ((await ticks()) < 3);
    program.kill("SIGINT");
    expect(await program.exited).toBe(0);
    await all;
    expect(said()).toContain("background task executed (tick 2)\n");
  });

  test("echo.ts is a service like the others: settings, limits, stats and drain", async () => {
    const { echo, echoSection } = await import(await example("echo.ts"));
    const entries = { ...settings, echo: echoSection };
    const wrong = load(entries, { object: { echo: { port: "x" } } });
    expect(wrong.problems[0]?.message).toContain("echo.port");
    const table = { services: { echo }, settings: entries };
    const server = await boot("echo", {}, { table });
    const client = await dial(server.port());
    client.send("one\ntwo\nunterminated");
    client.half();
    expect([await client.next(), await client.next(), await client.next()]).toEqual([
      "one",
      "two",
      "unterminated",
    ]);
    expect(await client.closed).toBe("end");
    await until(() => server.stats()["clients"] === 0);
    const stays = await dial(server.port());
    await until(() => server.stats()["clients"] === 1);
    const drained = server.drain();
    expect(await stays.next()).toBe("Warning: Server is shutting down.");
    await drained;
  });
});

test("tally-panel.ts is a panel: it is shown, asked and acted on", async () => {
  const { Tally } = await import(await example("tally-panel.ts"));
  const tally = new Tally();
  const panelled: Service<Config> = async (config, host) => {
    const running = await services["web"]?.(config, host);
    return Object.defineProperty(running as Running, "panel", { value: tally.panel });
  };
  const table = { services: { web: panelled }, settings };
  const server = await boot("web", {}, { table, token: "0123456789abcdef" });
  try {
    const votes = async () => (await server.get("/panels/web/votes?limit=1")).json();
    tally.vote("x");
    tally.vote("x");
    expect(tally.panel.changes()).toBe(2);
    expect(await votes()).toEqual({ votes: [["x", 2]] });
    expect((await server.get("/panels/web/votes?more=1")).status).toBe(400);
    const forget = async (what: string) => {
      const answer = await server.post("/admin/web/forget", { what });
      return [answer.status, await answer.json()];
    };
    expect(await forget("y")).toEqual([404, { ok: false, outcome: "Nobody voted for that." }]);
    expect(await forget("x")).toEqual([200, { ok: true, outcome: "forgot it" }]);
    expect(await votes()).toEqual({ votes: [] });
    const script = await (await server.get("/dashboard/panels/web/panel.js")).text();
    expect(new Bun.Transpiler().scan(script).exports).toEqual(["mount"]);
  } finally {
    await server.stop();
  }
});

test("the examples have no type errors", async () => {
  const checked = join(folder, "checked");
  const names = [...everyPage.matchAll(/^```ts\n\/\/ (\S+)$/gm)].map(([, name]) => name as string);
  expect(names.length).toBeGreaterThan(8);
  for (const name of names) {
    await Bun.write(join(checked, name), Bun.file(await example(name)));
  }
  const compilerOptions = {
    typeRoots: [join(root, "node_modules/@types")],
    moduleDetection: "force",
  };
  const include = ["*.ts", join(root, "lib/**/*.d.ts")];
  const tsconfig = { extends: join(root, "tsconfig.json"), compilerOptions, include };
  await Bun.write(join(checked, "tsconfig.json"), JSON.stringify(tsconfig));
  const check = Bun.spawn([process.execPath, "check"], {
    cwd: checked,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { out, err, code } = await ended(check);
  expect([code, code === 0 ? "" : out + err]).toEqual([0, ""]);
});

/** The text of the code block that follows a mark. */
function marked(mark: string): string {
  const block = new RegExp(`<!-- ${mark} -->\\n\\n\`\`\`\\w*\\n([^]*?)\\n\`\`\``).exec(everyPage);
  return block?.[1] as string;
}

describe("what the store's page tells", () => {
  test("every line of its session is answered just so", async () => {
    const booted = await boot("store");
    const client = await booted.join();
    const lines = marked("store-session").split("\n");
    expect(lines.length).toBeGreaterThan(20);
    // The epoch is another one in each run.
    const { epoch } = (await ask(client, { action: "INFO" }))["result"];
    for (const line of lines) {
      const text = line.slice(2).replace(/"epoch":"\w+"/, `"epoch":"${epoch}"`);
      if (line.startsWith("> ")) client.send(`${text}\n`);
      else expect(await client.next()).toBe(text);
    }
    expect(client.lines).toEqual([]);
    await booted.stop();
  });

  test("its role may do what it says, and nothing else", async () => {
    const path = join(folder, "roles.toml");
    await Bun.write(path, marked("store-roles"));
    const booted = await boot("store", { store: { roles_file: path } });
    const client = await booted.join();
    const { token } = (Bun.TOML.parse(marked("store-roles")) as { shop: { token: string } }).shop;
    expect(await ask(client, { action: "AUTH", token })).toEqual({ result: "OK" });
    const set = (key: string) => ask(client, { action: "SET", key, value: 1 });
    expect(await set("shop^open")).toEqual({ result: "OK" });
    expect((await set("prices^tea")).error.code).toBe("FORBIDDEN");
    expect((await ask(client, { action: "EXISTS", key: "prices^tea" })).result).toBe(false);
    expect((await ask(client, { action: "EXISTS", key: "users" })).error.code).toBe("FORBIDDEN");
    const publish = (channel: string) => ask(client, { action: "PUBLISH", channel, value: 1 });
    expect(await publish("orders^shop^1")).toEqual({ result: 0 });
    expect((await publish("orders^eu")).error.code).toBe("FORBIDDEN");
    await booted.stop();
  });
});
