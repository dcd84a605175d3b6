import type { Flag, Operand } from "../command.ts";
import { byValues, type Grammar, spellings, takingValues } from "./grammar.ts";

/** The completion for bash, 3.2 and later. */
export function bashScript(grammar: Grammar): string {
  const { commands, keys } = grammar;
  const first = commands[0]?.name;
  const optionCases = commands.flatMap(({ name, flags }) =>
    flags.flatMap((flag) => spellings(flag).map((word) => [`"${name} ${word}"`, kindOf(flag)])),
  );
  const operandCases = (repeated: boolean) =>
    commands.flatMap(({ name, operands = [] }) =>
      operands
        .map((operand, i) => [operand, repeated ? `"${name} "*` : `"${name} ${i}"`] as const)
        .filter(([{ repeats = false }]) => repeats === repeated)
        .map(([operand, where]) => [where, kindOf(operand)]),
    );
  const flagCases = commands.map(({ name, flags }) => [
    name,
    `words ${flags.map((flag) => `--${flag.name}`).join(" ")}`,
  ]);
  return `# Completion of summoner's command line for bash.

_summoner_keys="${keys.map(({ key }) => key).join(" ")}"

# The values of the setting $1.
_summoner_values() {
  case $1 in
${byValues(grammar)
  .map(([values, keys]) => `    ${keys.join(" | ")}) echo ${values.join(" ")} ;;`)
  .join("\n")}
  esac
}

_summoner() {
  local words=() word before= i
  # Bash cuts words at = and :, which are parts of them here.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ i -gt 1 && ($word == [=:]* || $before == *[=:]) ]]; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    before=$word
  done
  local last=$((\${#words[@]} - 1)) option= command= operands=0
  for ((i = 0; i < last; i++)); do
    word=\${words[i]}
    if [[ -n $option ]]; then
      option=
    elif [[ $word == -* ]]; then
      case $word in ${takingValues(grammar).join(" | ")}) option=$word ;; esac
    elif [[ -z $command ]]; then
      command=$word
    else
      ((operands++))
    fi
  done

  local current=\${words[last]} kind= value
  value=$current
  if [[ -z $option && $current == --*=* ]]; then
    option=\${current%%=*}
    value=\${current#*=}
  fi
  if [[ -n $option ]]; then
    case "\${command:-${first}} $option" in
${cases(optionCases)}
    esac
  elif [[ $current == -* ]]; then
    case \${command:-${first}} in
${cases(flagCases)}
    esac
  elif [[ -z $command ]]; then
    kind="words ${commands.map(({ name }) => name).join(" ")}"
  else
    case "$command $operands" in
${cases(operandCases(false))}
${cases(operandCases(true))}
    esac
  fi

  local list=\${kind#words }
  case $kind in
    key) list=$_summoner_keys ;;
    value) list=$(_summoner_values "\${words[last - 1]}") ;;
    setting)
      if [[ $value == *=* ]]; then
        list=$(_summoner_values "\${value%%=*}")
        value=\${value#*=}
      else
        list="\${_summoner_keys// /= }="
        compopt -o nospace 2>/dev/null
      fi
      ;;
    file)
      list=
      compopt -o filenames 2>/dev/null
      ;;
  esac

  # What stands before the last cut must not be repeated.
  local prefix=\${current%"$value"} rest=$current
  [[ $COMP_WORDBREAKS == *=* ]] && rest=\${rest##*=}
  [[ $COMP_WORDBREAKS == *:* ]] && rest=\${rest##*:}
  # Quotes come as they were typed, and are put back for files.
  [[ $kind == file ]] && value=\${value#[\\'\\"]} value=\${value//\\\\/}
  COMPREPLY=()
  while IFS= read -r word; do
    word=$prefix$word
    COMPREPLY+=("\${word#"\${current%"$rest"}"}")
  done < <(if [[ $kind == file ]]; then compgen -f -- "$value"; else compgen -W "$list" -- "$value"; fi)
}

complete -F _summoner summoner
`;
}

/** The kind of a word in the script: `words` and the choices, or a `Completes`. */
function kindOf({ choices, completes }: Flag | Operand): string {
  return choices ? `words ${choices.join(" ")}` : (completes ?? "");
}

/** Cases that set `kind`; those with the same kind are joined. */
function cases(found: readonly (readonly string[])[]): string {
  const groups = Map.groupBy(found, ([, kind]) => kind as string);
  groups.delete("");
  return [...groups]
    .map(([kind, some]) => `      ${some.map(([what]) => what).join(" | ")}) kind="${kind}" ;;`)
    .join("\n");
}
