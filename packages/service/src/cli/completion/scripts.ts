import type { Command } from 'commander';
import { fishScript } from './fish.ts';
import { type Flag, type Node, nodesOf, treeOf } from './tree.ts';

/**
 * Makes a script that completes the commands and flags of a program as they are now: it asks the program nothing.
 *
 * @param shell `bash`, `zsh` or `fish`
 */
export function completionScript(shell: string, program: Command): string {
  const nodes = nodesOf(treeOf(program));
  if (shell === 'fish') return fishScript(nodes);
  return shell === 'zsh' ? zshScript(nodes) : bashScript(nodes);
}

const HEAD = '# Completion of tidings, made by "tidings completion"; print it again after an upgrade.';

/** Leaves files to readline, which completes them where a function offers nothing. */
function bashScript(nodes: readonly Node[]): string {
  return `${HEAD}
_tidings() {
  local at=tidings word i
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  for (( i = 1; i < COMP_CWORD; i++ )); do
    case "$at \${COMP_WORDS[i]}" in
      ${pathsOf(nodes)}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  local words=
  case "$at:$before" in
${valueCases(nodes, (choices) => `words='${choices.join(' ')}' ;;`, 'return ;;')}
    *)
      case "$at" in
${wordCases(nodes, (words) => `words='${words.join(' ')}' ;;`)}
      esac ;;
  esac
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
}
complete -o default -F _tidings tidings
`;
}

function zshScript(nodes: readonly Node[]): string {
  return `#compdef tidings
${HEAD}
_tidings() {
  local at=tidings
  local -i i
  for (( i = 2; i < CURRENT; i++ )); do
    case "$at \${words[i]}" in
      ${pathsOf(nodes)}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at:\${words[CURRENT-1]}" in
${valueCases(nodes, (choices) => `compadd -- ${choices.join(' ')}; return ;;`, '_files; return ;;')}
  esac
  case "$at" in
${wordCases(nodes, (words) => `compadd -- ${words.join(' ')} ;;`)}
  esac
  [[ "\${words[CURRENT]}" == -* ]] || _files
}
if [[ "$funcstack[1]" == _tidings ]]; then _tidings "$@"; else compdef _tidings tidings; fi
`;
}

/** Commands and groups that may follow each other, as patterns of \`case\`. */
function pathsOf(nodes: readonly Node[]): string {
  return nodes
    .slice(1)
    .map(({ path }) => `'${path}'`)
    .join('|');
}

const namesOf = ({ long, short }: Flag) => (short === undefined ? [long] : [long, short]);

/** What follows a flag that takes a value: a choice, or else a file, or something that nobody can know. */
function valueCases(nodes: readonly Node[], offer: (choices: readonly string[]) => string, other: string): string {
  const cases = nodes.flatMap(({ path, flags }) =>
    flags.flatMap((flag) => {
      if (flag.value === undefined) return [];
      const patterns = namesOf(flag).map((name) => `'${path}:${name}'`);
      const { choices } = flag.value;
      return [`    ${patterns.join('|')}) ${choices.length === 0 ? other : offer(choices)}`];
    }),
  );
  return cases.join('\n');
}

function wordCases(nodes: readonly Node[], offer: (words: readonly string[]) => string): string {
  return nodes
    .map(({ path, flags, commands, choices }) => {
      const words = [...commands.map(({ name }) => name), ...choices, ...flags.flatMap(namesOf)];
      return `    '${path}') ${offer(words)}`;
    })
    .join('\n');
}
