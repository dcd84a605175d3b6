import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../package.json";
import { allCommands } from "../lib/cli/commands.ts";
import { renderToml } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import { ended, dial, turn } from "./kit.ts";
import { pages } from "./pages.ts";

const ROOT = join(import.meta.dir, "..");
const folder = mkdtempSync(join(tmpdir(), "summoner-executable-"));
const alone = join(folder, "alone");
const program = join(alone, "summoner");
/** An environment without Bun, this checkout, any other program or any user's settings. */
const env = { PATH: "/nonexistent", HOME: alone, NO_COLOR: "1", TERM: "xterm" };
const running: Bun.Subprocess[] = [];
/** Among the arguments, it starts the store too. */
const STORE = "store.enabled=true";

/** A checkout in which nothing has been installed or built. */
const clone = join(folder, "clone");
/** An environment in which packages cannot be fetched. */
const offline = {
  ...process.env,
  BUN_CONFIG_REGISTRY: "http://127.0.0.1:9/",
  BUN_INSTALL_CACHE_DIR: join(folder, "no-packages"),
};

/** The outcome of a command in that checkout without a network. */
function refusedIn(...args: string[]) {
  const cmd = [process.execPath, ...args];
  const { stdout, stderr, exitCode } = Bun.spawnSync(cmd, { cwd: clone, env: offline });
  const made = existsSync(join(clone, "dist"));
  return { out: stdout.toString(), err: stderr.toString(), code: exitCode, made };
}

const refused: Record<string, ReturnType<typeof refusedIn>> = {};

beforeAll(() => {
  const left = ["node_modules", "dist", ".git"].map((name) => join(ROOT, name));
  cpSync(ROOT, clone, { recursive: true, filter: (path) => !left.includes(path) });
  refused["build"] = refusedIn("run", "build");
  refused["start"] = refusedIn("run", "index.ts");
  const built = Bun.spawnSync([process.execPath, "run", "build"], { cwd: clone });
  if (!built.success) throw new Error(built.stderr.toString());
  mkdirSync(alone);
  copyFileSync(join(clone, "dist", "summoner"), program);
  // Files in its folder must not change its behaviour.
  writeFileSync(join(alone, "bunfig.toml"), "not [valid");
  writeFileSync(join(alone, ".env"), "SUMMONER_TOKEN=short");
});
afterEach(async () => {
  for (const one of running.splice(0)) {
    one.kill("SIGKILL");
    await one.exited;
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command line to its end. */
async function call(...args: string[]) {
  const child = Bun.spawn([program, ...args], {
    cwd: alone,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  running.push(child);
  return ended(child);
}

/** Starts the server, and waits until all that it starts is ready. */
async function serve(...args: string[]) {
  const child = Bun.spawn([program, ...args], { cwd: alone, env, stdin: "ignore", stdout: "pipe" });
  running.push(child);
  let said = "";
  const ready = Promise.withResolvers<{ relay: number; web: number; store: number }>();
  const all = (async () => {
    for await (const bytes of child.stdout) {
      said += new TextDecoder().decode(bytes);
      const relay = /relay is ready on 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      const web = /web is ready on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      const store = /store is ready on 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (relay && web && (store || !args.includes(STORE))) {
        ready.resolve({ relay: Number(relay), web: Number(web), store: Number(store) });
      }
    }
    ready.reject(new Error(`it ended after saying ${said}`));
  })();
  ready.promise.catch(() => {});
  return { child, ...(await ready.promise), said: () => said, all };
}

test("a fresh clone without a network says what is missing, and leaves nothing half made", () => {
  const { build, start } = refused;
  expect(build).toMatchObject({ code: 1, made: false });
  expect(build?.err).toContain("cannot be fetched: build where there is a network");
  expect(start).toMatchObject({ out: "", code: 1 });
  expect(start?.err).toMatch(
    /^error: [^\n]*smol-toml[^\n]*: not here, [^\n]*run bun install[^\n]*\n$/,
  );
});

describe("the executable alone, in an empty folder", () => {
  test("tells its version and the help of every command", async () => {
    expect((await call("--version")).out).toBe(`${version}\n`);
    for (const { name, about } of await allCommands()) {
      const { out, code } = await call(name, "--help");
      expect(code).toBe(0);
      expect(out.replace(/\s+/g, " ")).toStartWith(about);
      expect(out).toContain(`Usage: summoner ${name}`);
    }
  });

  test("prints every page of the documentation, with its own name in it", async () => {
    const { out } = await call("help");
    for (const [path, text] of pages) {
      const [title = ""] = text.split("\n");
      const topic = title.slice(2).toLowerCase().replaceAll(" ", "-");
      expect(`${path} ${out.includes(`\n  ${topic} `)}`).toBe(`${path} true`);
      const page = await call("help", topic);
      expect([page.code, page.err]).toEqual([0, ""]);
      expect(page.out).toStartWith(`${title.slice(2)}\n\n`);
      expect(page.out).not.toContain("bun run index.ts");
      expect(page.out.length).toBeGreaterThan(0.8 * text.length);
    }
    expect((await call("help", "relais")).err).toEndWith("did you mean relay?\n");
  });

  test("writes and checks a configuration", async () => {
    const { out, code } = await call("config", "--defaults");
    expect([out, code]).toEqual([renderToml(settings), 0]);
    writeFileSync(join(alone, "summoner.toml"), out);
    expect(await call("check")).toEqual({ out: "summoner.toml: no problems\n", err: "", code: 0 });
    rmSync(join(alone, "summoner.toml"));
  });

  test("changes it, and prints what editors, shells and systemd need", async () => {
    expect((await call("init", "--yes", "--preset", "local", "--set", "port=0")).code).toBe(0);
    expect((await call("set", "web.port", "0")).out).toStartWith("web.port: 8889 -> 0");
    expect((await call("get", "web.port")).out).toBe("0\n");
    expect((await call("config", "--schema")).out).toContain('"$schema"');
    for (const shell of ["bash", "zsh", "fish"]) {
      expect((await call("completion", shell)).out).toContain("summoner");
    }
    const unit = (await call("service", "systemd")).out;
    expect(unit).toContain(`ExecStart=${program} `);
    for (const name of ["summoner.toml", "summoner.schema.json"]) rmSync(join(alone, name));
  });

  // There are no pseudo-terminals of this kind on Windows.
  test.skipIf(process.platform === "win32")("asks its questions in a terminal", async () => {
    let shown = "";
    const decoder = new TextDecoder();
    const terminal = {
      cols: 80,
      rows: 30,
      data: (_: unknown, bytes: Uint8Array) => {
        shown += decoder.decode(bytes, { stream: true });
      },
    };
    const child = Bun.spawn([program, "init"], { cwd: alone, env, terminal });
    running.push(child);
    while (!shown.includes("What is this server for?")) await turn();
    child.terminal?.write("\x03");
    expect(await child.exited).toBe(1);
    expect(shown).toContain("Cancelled. Nothing was written.");
    expect(existsSync(join(alone, "summoner.toml"))).toBe(false);
  });

  test("keeps keys, and has them after a restart", async () => {
    const args = ["port=0", "web.port=0", "store.port=0", STORE].flatMap((set) => ["--set", set]);
    const first = await serve(...args);
    const kv = (port: number, ...of: string[]) => call("kv", ...of, "--port", String(port));
    expect(await kv(first.store, "set", "users^42", "Ann")).toEqual({ out: "", err: "", code: 0 });
    first.child.kill("SIGTERM");
    expect(await first.child.exited).toBe(0);
    const second = await serve(...args);
    expect(await kv(second.store, "get", "users^42", "--text")).toEqual({
      out: "Ann\n",
      err: "",
      code: 0,
    });
    expect((await kv(second.store, "get", "nobody")).code).toBe(1);
    second.child.kill("SIGTERM");
    expect(await second.child.exited).toBe(0);
    rmSync(join(alone, "data"), { recursive: true });
  });

  test("sends and listens", async () => {
    const { child, relay } = await serve("--set", "port=0", "--set", "web.port=0");
    const listener = Bun.spawn([program, "listen", "--count", "1", "--port", String(relay)], {
      cwd: alone,
      env,
      stdin: "ignore",
      stdout: "pipe",
    });
    running.push(listener);
    // It hears nothing of what was sent before it came.
    let heard = "";
    const all = (async () => {
      for await (const bytes of listener.stdout) heard += new TextDecoder().decode(bytes);
    })();
    while (listener.exitCode === null) {
      expect((await call("send", "hello there", "--port", String(relay))).code).toBe(0);
    }
    await all;
    expect(heard).toMatch(/^127\.0\.0\.1:\d+: hello there\n$/);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("serves with several threads", async () => {
    const sets = ["port=0", "web.port=0", "hyper_parameters.worker_threads=2"];
    const { child, relay, said, all } = await serve(...sets.flatMap((one) => ["--set", one]));
    const [a, b] = [await dial(relay), await dial(relay)];
    while (!said().includes("(2 clients)")) await turn();
    a.send("hello\n");
    expect(JSON.parse(await b.next()).content).toBe("hello");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await all;
    expect(said()).toContain("relay: 2 threads serve the clients");
    expect(said()).toEndWith("Server exited cleanly.\n");
  });

  test("serves: relay, dashboard, worker, status and top; and drains", async () => {
    writeFileSync(
      join(alone, "ticker.ts"),
      "let shared; export default { seconds: 0.02, start(s) { shared = s; }, tick: () => shared.update('n', (n = 0) => n + 1) };",
    );
    writeFileSync(
      join(alone, "site.ts"),
      "export default { GET: async (_, shared) => Response.json((await shared.get('n')) ?? 0) };",
    );
    const sets = ["port=0", "web.port=0", "web.ticker=./ticker.ts", "web.handler=./site.ts"];
    const { child, relay, web, said, all } = await serve(...sets.flatMap((one) => ["--set", one]));
    const [a, b] = [await dial(relay), await dial(relay)];
    while (!said().includes("(2 clients)")) await turn();
    a.send("hello\n");
    expect(JSON.parse(await b.next()).content).toBe("hello");
    const get = (path: string) => fetch(`http://127.0.0.1:${web}${path}`, { keepalive: false });
    expect(await (await get("/")).text()).toContain("</html>");
    for (const path of [
      "/dashboard/page.js",
      "/dashboard/score.js",
      "/dashboard/page.css",
      "/metrics",
      "/varz",
    ]) {
      expect((await get(path)).status).toBe(200);
    }
    while (((await (await get("/ticks")).json()) as number) < 2) await turn();
    const its = ["--port", `${relay}`, "--set", `web.port=${web}`];
    expect((await call("status", ...its)).out).toStartWith("ok: summoner ");
    expect((await call("top", ...its)).out).toContain(a.address);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await all;
    expect(said()).toEndWith("Server exited cleanly.\n");
    expect(existsSync(join(alone, "node_modules"))).toBe(false);
  });
});
