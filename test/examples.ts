import { afterAll, afterEach, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { everyPage } from "./pages.ts";

/** The examples of the pages, in a folder of the test file's own; what runs of them is ended after each test. */
export function examples() {
  const root = join(import.meta.dir, "..");
  const folder = mkdtempSync(join(tmpdir(), "summoner-readme-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const programs: Bun.Subprocess[] = [];
  afterEach(() => {
    for (const program of programs.splice(0)) program.kill("SIGKILL");
  });

  /** The example whose first line names it, written where it can run; imports lead to this checkout. */
  async function example(name: string, change = (code: string) => code): Promise<string> {
    const start = everyPage.indexOf(`// ${name}\n`);
    expect(start).toBeGreaterThan(0);
    const code = everyPage
      .slice(start, everyPage.indexOf("\n```", start))
      .replaceAll('"../../', `"${root}/lib/`)
      .replaceAll('"./index.ts"', `"${root}/index.ts"`);
    const path = join(folder, name);
    await Bun.write(path, change(code));
    return path;
  }

  /** Runs an example as a program of its own, until it has said something that `pattern` matches. */
  async function started(path: string, args: string[], pattern: RegExp) {
    const program = Bun.spawn([process.execPath, path, ...args], {
      cwd: folder,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    programs.push(program);
    let said = "";
    const ready = Promise.withResolvers<RegExpExecArray>();
    const all = (async () => {
      for await (const bytes of program.stdout) {
        said += new TextDecoder().decode(bytes);
        const found = pattern.exec(said);
        if (found) ready.resolve(found);
      }
      ready.reject(new Error(`it ended after saying ${said}`));
    })();
    ready.promise.catch(() => {});
    return { program, found: ready.promise, all, said: () => said };
  }

  return { root, folder, example, started };
}
