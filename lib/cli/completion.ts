import type { Command } from "./command.ts";
import { bashScript } from "./completion/bash.ts";
import { fishScript } from "./completion/fish.ts";
import { grammarOf } from "./completion/grammar.ts";
import { zshScript } from "./completion/zsh.ts";
import { withTopics } from "./help.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

export type Shell = keyof typeof SCRIPTS;

export const completion: Command = {
  name: "completion",
  about: "Print a script that makes a shell complete this program's command line.",
  more: [
    "It completes a program that is called as summoner. Print it to where your shell looks:",
    "bash: ~/.local/share/bash-completion/completions/summoner",
    'zsh: "${fpath[1]}/_summoner", or any other folder of $fpath',
    "fish: ~/.config/fish/completions/summoner.fish",
  ],
  operands: [{ name: "SHELL", choices: Object.keys(SCRIPTS), about: "bash, zsh or fish." }],
  flags: [],
  examples: [
    ["completion fish > ~/.config/fish/completions/summoner.fish", "For every fish from now on."],
    ["completion bash > /tmp/it && . /tmp/it", "For the bash that runs."],
  ],
  async run({ operands: [shell] }, { commands }) {
    process.stdout.write(completionScript(shell as Shell, await withTopics(await commands())));
    return 0;
  },
};

/** The script that completes these commands in a shell. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return SCRIPTS[shell](grammarOf(commands));
}
