import type { Command, Flag, Operand } from "../command.ts";
import { byValues, type Grammar, summary, takingValues } from "./grammar.ts";

/** The completion for fish. */
export function fishScript(grammar: Grammar): string {
  const { commands, keys } = grammar;
  const [first] = commands as readonly [Command];
  return `# Completion of summoner's command line for fish.

# Whether the words so far are the command $argv[1] and $argv[2] operands, or more if $argv[3] is given.
function __summoner_at
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l words
    set -l taking no
    for token in $tokens
        if test $taking = yes
            set taking no
        else if contains -- $token ${takingValues(grammar).join(" ")}
            set taking yes
        else if not string match -q -- '-*' $token
            set -a words $token
        end
    end
    if test (count $words) -eq 0
        contains -- $argv[1] none ${first.name}
        return
    end
    test $words[1] = $argv[1]; or return
    set -l operands (math (count $words) - 1)
    switch (count $argv)
        case 2
            test $operands -eq $argv[2]
        case 3
            test $operands -ge $argv[2]
    end
end

function __summoner_keys
    printf '%s\\t%s\\n' \\
${keys.map((one) => `        ${quoted(one.key)} ${quoted(summary(one))}`).join(" \\\n")}
end

# The values of the setting $argv[1].
function __summoner_values
    switch "$argv[1]"
${byValues(grammar)
  .map(
    ([values, keys]) =>
      `        case ${keys.join(" ")}\n            printf '%s\\n' ${values.join(" ")}`,
  )
  .join("\n")}
    end
end

# Keys with their =, and once that is there, with their values.
function __summoner_settings
    set -l key (string match -r -g -- '^(?:--set=)?([^=-][^=]*)=' (commandline -ct))
    if test -n "$key"
        for value in (__summoner_values $key)
            echo $key=$value
        end
    else
        __summoner_keys | string replace \\t =\\t
    end
end

complete -c summoner -f
${commands.map((command) => `complete -c summoner -n '__summoner_at none' -a ${command.name} -d ${quoted(summary(command))}`).join("\n")}
${commands.flatMap(linesOf).join("\n")}
`;
}

function linesOf(command: Command): string[] {
  const { name, flags } = command;
  const flagLines = flags.map((flag) => {
    const short = flag.short ? ` -s ${flag.short}` : "";
    const value = flag.value ? offer(flag) : "";
    const about = quoted(summary(flag));
    return `complete -c summoner -n '__summoner_at ${name}' -l ${flag.name}${short}${value} -d ${about}`;
  });
  const operandLines = (command.operands ?? []).flatMap((operand, place) => {
    const at = `${name} ${place}${operand.repeats ? " more" : ""}`;
    const offered = offer(operand);
    return offered === " -x" ? [] : [`complete -c summoner -n '__summoner_at ${at}'${offered}`];
  });
  return [...flagLines, ...operandLines];
}

/** The arguments of `complete` that offer the values of a flag or operand. */
function offer({ choices, completes }: Flag | Operand): string {
  if (choices) return ` -x -a ${quoted(choices.join(" "))}`;
  if (completes === "file") return " -r -F";
  if (completes === "key") return " -x -a '(__summoner_keys)'";
  if (completes === "setting") return " -x -a '(__summoner_settings)'";
  if (completes === "value") return " -x -a '(__summoner_values (commandline -opc)[-1])'";
  return " -x";
}

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
