import type { Command, Flag, Operand } from "../command.ts";
import { byValues, type Grammar, summary } from "./grammar.ts";

/** The completion for zsh, which works from `$fpath` and by `source`. */
export function zshScript(grammar: Grammar): string {
  const { commands, keys } = grammar;
  const [first] = commands as readonly [Command];
  const described = (name: string, about: { about: string }) =>
    quoted(`${name.replaceAll(":", "\\:")}:${summary(about)}`);
  return `#compdef summoner
# Completion of summoner's command line for zsh.

_summoner_keys() {
  local -a keys=(
${keys.map((one) => `    ${described(one.key, one)}`).join("\n")}
  )
  _describe -t keys key keys "$@"
}

# The values of the setting $1.
_summoner_values() {
  local -a values
  case $1 in
${byValues(grammar)
  .map(([values, keys]) => `    (${keys.join("|")}) values=(${values.join(" ")}) ;;`)
  .join("\n")}
  esac
  compadd -a values
}

_summoner_setting() {
  local key=\${PREFIX%%=*}
  if compset -P 1 '*='; then
    _summoner_values $key
  else
    _summoner_keys "$@" -qS =
  fi
}

_summoner() {
  local curcontext=$curcontext state
  local -a line
  local -A opt_args
  # Without a command, the options are those of ${first.name}.
  _arguments -C -s -A '-*' \\
${[...first.flags.map(flagSpec), quoted("1:command:->command"), quoted("*::operand:->operand")]
  .map((spec) => `    ${spec}`)
  .join(" \\\n")}
  case $state in
    (command)
      local -a commands=(
${commands.map((command) => `        ${described(command.name, command)}`).join("\n")}
      )
      _describe -t commands command commands
      ;;
    (operand)
      case $words[1] in
${commands.map(commandCase).join("\n")}
      esac
      ;;
  esac
}

if [[ $funcstack[1] == _summoner ]]; then
  _summoner "$@"
else
  compdef _summoner summoner
fi
`;
}

function commandCase(command: Command): string {
  const operands = (command.operands ?? []).map((operand, place) => {
    const where = operand.repeats ? "*" : `${place + 1}`;
    return quoted(`${where}:${operand.name}:${action(operand)}`);
  });
  const specs = [...command.flags.map(flagSpec), ...operands];
  return `        (${command.name})
          _arguments -s -S \\
${specs.map((spec) => `            ${spec}`).join(" \\\n")}
          ;;`;
}

/** An option in the form of `_arguments`. */
function flagSpec(flag: Flag): string {
  const { name, short, value, repeats } = flag;
  const about = `[${summary(flag).replace(/[\\[\]:]/g, "\\$&")}]`;
  const more = value ? `:${value}:${action(flag)}` : "";
  const others = short && !repeats ? `(-${short} --${name})` : "";
  return [`--${name}${value ? "=" : ""}`, ...(short ? [`-${short}${value ? "+" : ""}`] : [])]
    .map((spelling) => quoted(`${repeats ? "*" : others}${spelling}${about}${more}`))
    .join(" ");
}

function action({ choices, completes }: Flag | Operand): string {
  if (choices) return `(${choices.join(" ")})`;
  if (completes === "file") return "_files";
  if (completes === "key") return "_summoner_keys";
  if (completes === "setting") return "_summoner_setting";
  if (completes === "value") return '{_summoner_values "$words[CURRENT-1]"}';
  return " ";
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
