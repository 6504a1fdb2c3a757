import type { Flag, Node } from './tree.ts';

/** One line for each command and flag; a function says where in the tree the command line is. */
export function fishScript(nodes: readonly Node[]): string {
  const paths = nodes.slice(1).map(({ path }) => `'${path}'`);
  return `# Completion of tidings, made by "tidings completion"; print it again after an upgrade.
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
${nodes.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, choices, flags }: Node): readonly string[] {
  const start = `complete -c tidings -n "__tidings_at '${path}'"`;
  return [
    ...commands.map(({ name, description }) => `${start} -a ${name} -d ${quoted(description)}`),
    ...(choices.length === 0 ? [] : [`${start} -a ${quoted(choices.join(' '))}`]),
    ...flags.map((flag) => `${start} ${wordsOf(flag)}`),
  ];
}

function wordsOf({ long, short, description, value }: Flag): string {
  const names = [`-l ${long.slice(2)}`, ...(short === undefined ? [] : [`-s ${short.slice(1)}`])].join(' ');
  const about = `${names} -d ${quoted(description)}`;
  if (value === undefined) return about;
  if (value.choices.length > 0) return `${about} -x -a ${quoted(value.choices.join(' '))}`;
  return `${about} ${value.isFile ? '-r -F' : '-x'}`;
}

/** https://fishshell.com/docs/current/language.html#quotes */
const quoted = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
