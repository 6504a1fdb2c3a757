import { Argument, type Command, type Option } from 'commander';
import { print } from '../base/output.ts';

const SHELLS = ['bash', 'zsh', 'fish'];

/** `tidings completion`: a completion script for a shell. @param loadAll loads the program with all commands */
export function define(command: Command, loadAll: () => Promise<Command>): void {
  command
    .addArgument(new Argument('<shell>', 'the shell to complete in').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  tidings completion bash > ~/.local/share/bash-completion/completions/tidings
  tidings completion zsh > ~/.zfunc/_tidings
  tidings completion fish > ~/.config/fish/completions/tidings.fish

bash: the package bash-completion reads that folder. Without it, add this line to ~/.bashrc:
  source <(tidings completion bash)
zsh: add this line to ~/.zshrc before compinit:
  fpath=(~/.zfunc $fpath)
After an upgrade, print the script again: it contains the commands of the version that printed it.

Exit codes: 0 done; 2 wrong usage.`,
    )
    .action(async (shell: string) => print(completionScript(shell, await loadAll())));
}

/**
 * Creates a script that completes the present commands and flags of a program, without running it.
 *
 * @param shell `bash`, `zsh` or `fish`
 */
function completionScript(shell: string, program: Command): string {
  const nodes = nodesOf(treeOf(program));
  if (shell === 'fish') return fishScript(nodes);
  return shell === 'zsh' ? zshScript(nodes) : bashScript(nodes);
}

const HEAD = '# Completion of tidings, printed by "tidings completion"; print it again after an upgrade.';

/** Leaves file names to readline, which completes them if the function offers nothing. */
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

/** The paths of commands and groups, as patterns of `case`. */
function pathsOf(nodes: readonly Node[]): string {
  return nodes
    .slice(1)
    .map(({ path }) => `'${path}'`)
    .join('|');
}

const namesOf = ({ long, short }: Flag) => (short === undefined ? [long] : [long, short]);

/** Cases for the value of a flag: its choices, or else `other`. */
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

/** One line for each command and flag; a function finds where in the tree the command line is. */
function fishScript(nodes: readonly Node[]): string {
  const paths = nodes.slice(1).map(({ path }) => `'${path}'`);
  return `${HEAD}
function __tidings_at
  set -l at tidings
  for word in (commandline -opc)[2..-1]
    if contains -- "$at $word" ${paths.join(' ')}
      set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
complete -c tidings -f
${nodes.flatMap(fishLinesOf).join('\n')}
`;
}

function fishLinesOf({ path, commands, choices, flags }: Node): readonly string[] {
  const start = `complete -c tidings -n "__tidings_at '${path}'"`;
  return [
    ...commands.map(({ name, description }) => `${start} -a ${name} -d ${quoted(description)}`),
    ...(choices.length === 0 ? [] : [`${start} -a ${quoted(choices.join(' '))}`]),
    ...flags.map((flag) => `${start} ${fishWordsOf(flag)}`),
  ];
}

function fishWordsOf({ long, short, description, value }: Flag): string {
  const names = [`-l ${long.slice(2)}`, ...(short === undefined ? [] : [`-s ${short.slice(1)}`])].join(' ');
  const about = `${names} -d ${quoted(description)}`;
  if (value === undefined) return about;
  if (value.choices.length > 0) return `${about} -x -a ${quoted(value.choices.join(' '))}`;
  return `${about} ${value.isFile ? '-r -F' : '-x'}`;
}

/** https://fishshell.com/docs/current/language.html#quotes */
const quoted = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;

/** A flag as shells complete it. */
interface Flag {
  /** As in `--config`; and `-c`. */
  readonly long: string;
  readonly short: string | undefined;
  readonly description: string;
  /** Undefined: it takes no value. Empty `choices`: any value; files are completed if it is a file. */
  readonly value: { readonly choices: readonly string[]; readonly isFile: boolean } | undefined;
}

/** A command, or a group of them. */
interface Node {
  /** As in `tidings tpps list`. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly flags: readonly Flag[];
  /** The choices of its arguments, if it has any. */
  readonly choices: readonly string[];
  readonly commands: readonly Node[];
}

/** The commands of a program, including those in groups, without hidden ones. An alias counts as a command. */
function treeOf(command: Command, above = '', name = command.name()): Node {
  const path = above === '' ? name : `${above} ${name}`;
  const help: Flag = { long: '--help', short: '-h', description: 'display help for command', value: undefined };
  return {
    path,
    name,
    description: command.description(),
    flags: [...command.options.filter(({ hidden, long }) => !hidden && long !== undefined).map(flagOf), help],
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    commands: command.commands.flatMap((inner) =>
      [inner.name(), ...inner.aliases()].map((each) => treeOf(inner, path, each)),
    ),
  };
}

/** A tree as a list, each group before its commands. */
function nodesOf(node: Node): readonly Node[] {
  return [node, ...node.commands.flatMap(nodesOf)];
}

function flagOf({ long, short, description, required, optional, argChoices, flags }: Option): Flag {
  const isFile = /[<[](?:file|folder)[>\]]/.test(flags);
  const value = required || optional ? { choices: argChoices ?? [], isFile } : undefined;
  return { long: long ?? '', short, description, value };
}
