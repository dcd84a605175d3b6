import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { understood } from "../lib/cli/commands.ts";
import { boot, ended, until } from "./kit.ts";

// The code of a service is in the memory of a program that runs it, and of no other.

const root = join(import.meta.dir, "..");
const program = join(root, "index.ts");
const folder = mkdtempSync(join(tmpdir(), "summoner-late-"));
afterAll(() => rmSync(folder, { recursive: true }));

const told = join(folder, "loaded.json");
const teller = join(folder, "tell.ts");
writeFileSync(
  teller,
  `import { writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(${JSON.stringify(told)}, JSON.stringify(Object.keys(require.cache))));
`,
);

/** Starts Bun; at its end it tells which files it has loaded. */
function start(...words: string[]) {
  const { SUMMONER_TOKEN: _, ...env } = process.env;
  return Bun.spawn([process.execPath, "--preload", teller, ...words], {
    cwd: folder,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Files of this program that one which has ended had loaded: services, or others. */
function loaded(below = "lib/services/"): string[] {
  const all = JSON.parse(readFileSync(told, "utf8")) as string[];
  rmSync(told);
  const paths = all.map((path) => relative(root, path).replaceAll("\\", "/"));
  expect(paths).toContain("lib/cli/main.ts");
  return paths.filter((path) => path.startsWith(below)).toSorted();
}

/** Files of services that a command line loads besides those that the library consists of. */
async function loadedBy(...words: readonly string[]) {
  const { code, err } = await ended(start(program, ...words));
  const found = loaded().filter((path) => !library.includes(path));
  return { code, err, found };
}

const importing = join(folder, "importing.ts");
writeFileSync(importing, `import ${JSON.stringify(program)};`);
await ended(start(importing));
/** Files of services that `index.ts` exports something of, and theirs. */
const library = loaded();

/** The services that files belong to. */
const servicesOf = (paths: readonly string[]) => [
  ...new Set(paths.map((path) => path.split("/")[2] as string)),
];

/** The files that services begin with. */
const beginnings = [...readFileSync(program, "utf8").matchAll(/require\("\.\/([^"]+)"\)/g)].map(
  ([, path]) => path as string,
);

test("a program that imports the library loads no service", () => {
  expect(beginnings).toHaveLength(5);
  expect(library.filter((path) => beginnings.includes(path))).toEqual([]);
  // What the library has of its own: sessions and codec, the ticker, the store's command table.
  expect(servicesOf(library)).toEqual(["neuro", "store", "web"]);
  expect(library.length).toBeLessThan(60);
});

describe("a command that needs no service loads none", () => {
  test.each([
    "--version",
    "check --help",
    "config --defaults",
    "get port",
    "service --help",
    "listen --help",
  ])("%s", async (line) => {
    expect(await loadedBy(...line.split(" "))).toEqual({ code: 0, err: "", found: [] });
  });

  test("kv", async () => {
    const server = await boot("store");
    const port = ["--port", `${server.port()}`];
    expect(await loadedBy("kv", "set", "a", "1", ...port)).toEqual({ code: 0, err: "", found: [] });
    expect(await loadedBy("kv", "get", "a", ...port)).toEqual({ code: 0, err: "", found: [] });
    await server.drain();
  });
});

test("a command loads no other command", async () => {
  await ended(start(program, "get", "port"));
  const commands = loaded("lib/cli/").filter((path) => /cli\/(get|init|kv|run|top)\.ts/.test(path));
  expect(commands).toEqual(["lib/cli/get.ts"]);
});

test("the name of a command may be a value before it, or instead of it", async () => {
  const read = async (line: string) => {
    const { command, named, operands, problems } = await understood(line.split(" "));
    return [command.name, named, operands, problems];
  };
  expect(await read("--config kv get port")).toEqual(["get", true, ["port"], []]);
  expect(await read("--config kv")).toEqual(["run", false, [], []]);
  expect(await read("get --config kv kv.port")).toEqual(["get", true, ["kv.port"], []]);
  expect(await read("send --grep kv")).toEqual([
    "send",
    true,
    [],
    ["--grep: no such option; it belongs to logs"],
  ]);
});

describe("with relay and web alone, no code of others is loaded", () => {
  const FREE = ["--set", "port=0", "--set", "web.port=0", "--set", "web.enabled=true"];

  test("by check", async () => {
    const { code, found } = await loadedBy("check", ...FREE);
    expect([code, servicesOf(found)]).toEqual([0, ["relay", "web"]]);
  });

  test.skipIf(process.platform === "win32")("by the server", async () => {
    const child = start(program, ...FREE);
    let said = "";
    const all = (async () => {
      for await (const bytes of child.stdout) said += new TextDecoder().decode(bytes);
    })();
    await until(() => /relay is ready/.test(said) && /web is ready/.test(said));
    const [url] = /http:\S+/.exec(said) as RegExpExecArray;
    for (const path of ["varz", "metrics", "connz", "healthz"]) {
      expect((await fetch(new URL(path, url), { keepalive: false })).status).toBe(200);
    }
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await all;
    const found = loaded();
    expect(servicesOf(found.filter((path) => !library.includes(path)))).toEqual(["relay", "web"]);
    expect(found.filter((path) => beginnings.includes(path))).toHaveLength(2);
  });

  test("a service that is switched on is loaded", async () => {
    const { code, found } = await loadedBy("check", ...FREE, "--set", "store.enabled=true");
    expect([code, servicesOf(found)]).toEqual([0, ["relay", "store", "web"]]);
  });
});
