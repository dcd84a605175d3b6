import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "../lib/cli/command.ts";
import { allCommands } from "../lib/cli/commands.ts";
import { completionScript, type Shell } from "../lib/cli/completion.ts";
import { withTopics } from "../lib/cli/help.ts";
import { optionPaths } from "../lib/config/paths.ts";
import { presets } from "../lib/config/presets.ts";
import { settings } from "../lib/config/table.ts";

const program = join(import.meta.dir, "..", "index.ts");
const folder = mkdtempSync(join(tmpdir(), "summoner-completion-"));
writeFileSync(join(folder, "alpha.toml"), "");
writeFileSync(join(folder, "al pha.toml"), "");
afterAll(() => rmSync(folder, { recursive: true }));
const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});

/** A command that there is not, but might be one day. */
const LATER: Command = {
  name: "xyzzy",
  about: "Do what's [yet]: to be $done; `later`.",
  operands: [
    { name: "KEY", completes: "key", about: "A key." },
    { name: "VALUE", completes: "value", about: "Its value." },
    { name: "PATH", completes: "file", repeats: true, about: "Files." },
  ],
  flags: [
    { name: "plugh", short: "p", value: "WORD", choices: ["plover", "plume"], about: "Say: it's." },
    { name: "file", value: "PATH", completes: "file", about: "A [file]." },
  ],
  examples: [],
  run: () => 0,
};
const commands = [...(await allCommands()), LATER];

/** The script of a shell, in a file of the folder. */
function scriptOf(shell: Shell): string {
  const path = join(folder, `summoner.${shell}`);
  writeFileSync(path, completionScript(shell, commands));
  return path;
}

async function output(...cmd: string[]): Promise<string> {
  const child = Bun.spawn(cmd, { cwd: folder, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  children.push(child);
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(err).toBe("");
  return out;
}

/** A shell under a terminal: `says` waits for what it writes, and takes it. */
function interactive(...cmd: string[]) {
  let said = "";
  let look = () => {};
  const decoder = new TextDecoder();
  const child = Bun.spawn(cmd, {
    cwd: folder,
    env: { ...process.env, TERM: "dumb", HISTFILE: "", PS1: "" },
    terminal: {
      cols: 200,
      rows: 50,
      data(_, bytes) {
        said += decoder.decode(bytes, { stream: true });
        look();
      },
    },
  });
  children.push(child);
  const { terminal } = child;
  return {
    type: (text: string) => void terminal?.write(text),
    async says(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = pattern.exec(said);
        if (found) {
          said = said.slice(found.index + found[0].length);
          return found[1] ?? "";
        }
        await new Promise<void>((resolve) => (look = resolve));
      }
    },
  };
}

/** The words that a shell offers for the last word of each line. */
const OFFERED: Record<Shell, (lines: readonly string[]) => Promise<string[][]>> = {
  async bash(lines) {
    const calls = lines.map((line) => {
      // Readline cuts words at these.
      const words = line.split(" ").flatMap((word) => word.match(/[=:]+|[^=:]+/g) ?? [""]);
      const quoted = words.map((word) => `'${word}'`).join(" ");
      return `COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1}; _summoner; printf '%s\\n' "\${COMPREPLY[@]}" ==`;
    });
    const code = [`COMP_WORDBREAKS=' =:'`, `. ${scriptOf("bash")}`, ...calls].join("\n");
    return listed(await output("bash", "--norc", "-c", code));
  },
  async fish(lines) {
    const calls = lines.map(
      (line) => `complete -C '${line}' | string replace -r '\\t.*' ''; echo ==`,
    );
    const code = [`. ${scriptOf("fish")}`, ...calls].join("\n");
    return listed(await output("fish", "--no-config", "-c", code));
  },
  async zsh(lines) {
    const shell = interactive("zsh", "-f", "-i");
    // All matches pass through compadd, which is asked here which ones they are.
    shell.type(`stty -echo; autoload -Uz compinit; compinit -D -u; . ${scriptOf("zsh")}
compadd() {
  if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    local -a hits; builtin compadd -A hits "$@"; found+=("\${hits[@]}")
  fi
  builtin compadd "$@"
}
_offered() { found=(); _main_complete; compstate[list]=''; print -r -- "<<\${(j:|:)\${(@Q)found}}>>" }
zle -C offered complete-word _offered; bindkey '^T' offered; print rea''dy
`);
    await shell.says(/ready/);
    const offers: string[][] = [];
    for (const line of lines) {
      shell.type(`${line}\x14`);
      offers.push((await shell.says(/<<([^>]*)>>/)).split("|"));
      shell.type("\x15");
    }
    return offers.map((some) => some.filter((word) => !/^-\w$/.test(word)).map(ending));
  },
};

function listed(text: string): string[][] {
  const offers = text.split("==\n").slice(0, -1);
  return offers.map((some) =>
    some
      .split("\n")
      .filter((word) => word !== "")
      .map(ending),
  );
}

/** Some shells offer words whole, some from the last = on, some without the = that follows. */
function ending(word: string): string {
  return word.replace(/=$/, "").replace(/^.*=/, "");
}

const names = commands.map(({ name }) => name);
const keys = [...optionPaths(settings)].map(([key]) => key);
const startingWith = (start: string, words: readonly string[]) =>
  words.filter((word) => word.startsWith(start));
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const FILES = ["al pha.toml", "alpha.toml"];

const CASES: [line: string, offered: readonly string[]][] = [
  ["summoner ", names],
  ["summoner ru", ["run"]],
  ["./summoner che", ["check"]],
  ["summoner --port 9 --quiet ch", ["check"]],
  ["summoner --pres", ["--preset"]],
  ["summoner check --con", ["--config"]],
  ["summoner --preset ", Object.keys(presets)],
  ["summoner --preset=l", startingWith("l", Object.keys(presets))],
  ["summoner run --host ", []],
  ["summoner --config al", FILES],
  ["summoner -c al", FILES],
  ["summoner check --config=al", FILES],
  ["summoner --set logger.log", startingWith("logger.log", keys)],
  ["summoner check --set=web.", startingWith("web.", keys)],
  ["summoner --set logger.log_level=", LEVELS],
  ["summoner --set=logger.log_level=D", ["DEBUG"]],
  ["summoner --set web.enabled=", ["true", "false"]],
  ["summoner --set web.port=", []],
  ["summoner completion ", ["bash", "zsh", "fish"]],
  ["summoner completion ba", ["bash"]],
  ["summoner service systemd --so", ["--socket"]],
  ["summoner --set port=1 listen --js", ["--json"]],
  ["summoner send al", []],
  ["summoner get hyper_parameters.t", startingWith("hyper_parameters.t", keys)],
  ["summoner set logger.log_level ", LEVELS],
  ["summoner xyz", ["xyzzy"]],
  ["summoner xyzzy ", keys],
  ["summoner xyzzy logger.log_level W", ["WARNING"]],
  ["summoner xyzzy port 1 al", FILES],
  ["summoner xyzzy port 1 alpha.toml al", FILES],
  ["summoner xyzzy --pl", ["--plugh"]],
  ["summoner xyzzy --plugh ", ["plover", "plume"]],
  ["summoner xyzzy --plugh=plo", ["plover"]],
  ["summoner xyzzy -p plo", ["plover"]],
  ["summoner xyzzy --file al", FILES],
  ["summoner xyzzy -p plume po", startingWith("po", keys)],
];

describe.each(["bash", "zsh", "fish"] as const)("in %s", (shell) => {
  test.skipIf(!Bun.which(shell))("words are completed", async () => {
    const offered = await OFFERED[shell](CASES.map(([line]) => line));
    const sorted = (words: readonly string[]) => [...words].filter((word) => word !== "").sort();
    expect(CASES.map(([line], i) => [line, sorted(offered[i] ?? ["nothing"])])).toEqual(
      CASES.map(([line, words]) => [line, sorted(words)]),
    );
  });

  test.skipIf(!Bun.which(shell))("flags of a command are offered, and no others", async () => {
    const offered = await OFFERED[shell](commands.map(({ name }) => `summoner ${name} --`));
    const flags = commands.map(({ flags }) => [
      ...flags.map(({ name }) => `--${name}`),
      "--help",
      "--quiet",
      "--verbose",
      "--version",
    ]);
    expect(offered.map((words) => words.sort())).toEqual(flags.map((words) => words.sort()));
  });
});

describe("typed at a terminal", () => {
  const SHOW = `summoner() { printf '<%s>' "$@"; echo .; }`;
  const LINES = [
    ["summoner ru\t\r", "<run>"],
    ["summoner --set logger.log_lev\tDE\t\r", "<--set><logger.log_level=DEBUG>"],
    ["summoner check --set=logger.log_lev\tDE\t\r", "<check><--set=logger.log_level=DEBUG>"],
    ["summoner check --config=alp\t\r", "<check><--config=alpha.toml>"],
    ["summoner --config 'al p\t--port 1\r", "<--config><al pha.toml><--port><1>"],
    ["summoner --config=al\\ p\t--port 1\r", "<--config=al pha.toml><--port><1>"],
  ] as const;

  test.skipIf(!Bun.which("bash"))("bash puts words where they belong", async () => {
    const shell = interactive("bash", "--norc", "-i");
    shell.type(`stty -echo; . ${scriptOf("bash")}; ${SHOW}; echo rea''dy\r`);
    await shell.says(/ready/);
    for (const [typed, passed] of LINES) {
      shell.type(typed);
      expect(await shell.says(/(<[^\r\n]*>)\./)).toBe(passed);
    }
  });

  test.skipIf(!Bun.which("zsh"))("zsh puts words where they belong", async () => {
    const shell = interactive("zsh", "-f", "-i");
    shell.type(
      `stty -echo; autoload -Uz compinit; compinit -D -u; . ${scriptOf("zsh")}; ${SHOW}; echo rea''dy\r`,
    );
    await shell.says(/ready/);
    for (const [typed, passed] of LINES) {
      shell.type(typed);
      expect(await shell.says(/(<[^\r\n]*>)\./)).toBe(passed);
    }
  });

  test.skipIf(!Bun.which("zsh"))("zsh finds it in $fpath", async () => {
    writeFileSync(join(folder, "_summoner"), completionScript("zsh", commands));
    const shell = interactive("zsh", "-f", "-i");
    shell.type(
      `stty -echo; fpath=(${folder} $fpath); autoload -Uz compinit; compinit -D -u; ${SHOW}; echo rea''dy\r`,
    );
    await shell.says(/ready/);
    shell.type("summoner xyz\t\r");
    expect(await shell.says(/(<xyzzy>)\./)).toBe("<xyzzy>");
  });
});

describe("the command", () => {
  test.each(["bash", "zsh", "fish"] as const)("prints the script for %s", async (shell) => {
    expect(await output(process.execPath, program, "completion", shell)).toBe(
      completionScript(shell, await withTopics(await allCommands())),
    );
  });

  test("says where each belongs", async () => {
    const help = await output(process.execPath, program, "completion", "--help");
    expect(help).toMatch(/^bash: \S+\/bash-completion\/completions\/summoner$/m);
    expect(help).toMatch(/^zsh: "\$\{fpath\[1\]\}\/_summoner"/m);
    expect(help).toMatch(/^fish: ~\/\.config\/fish\/completions\/summoner\.fish$/m);
  });

  test.each([
    [
      [],
      "error: SHELL: missing; allowed: bash, zsh, fish\nbun run index.ts completion --help shows how to call it.\n",
    ],
    [["fis"], "error: SHELL: found fis; allowed: bash, zsh, fish; did you mean fish?\n"],
    [["fish", "bash"], "error: bash: unexpected argument\n"],
  ])("refuses %j", async (args, problem) => {
    const child = Bun.spawn([process.execPath, program, "completion", ...args], {
      stdin: "ignore",
      stderr: "pipe",
    });
    children.push(child);
    expect(await child.stderr.text()).toStartWith(problem);
    expect(await child.exited).toBe(2);
  });
});
