import type { Command, Option } from 'commander';

/** A flag as shells complete it. */
export interface Flag {
  /** As in `--config`; and `-c`. */
  readonly long: string;
  readonly short: string | undefined;
  readonly description: string;
  /** Undefined: it takes no value. `choices` empty: any; files are offered where it names one. */
  readonly value: { readonly choices: readonly string[]; readonly isFile: boolean } | undefined;
}

/** A command, or a group of them. */
export interface Node {
  /** As in `tidings tpps list`. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly flags: readonly Flag[];
  /** What its arguments may be, where that is known. */
  readonly choices: readonly string[];
  readonly commands: readonly Node[];
}

/** Reads the commands of a program, with those within groups; what is hidden is left out. An alias is one more command. */
export function treeOf(command: Command, above = '', name = command.name()): Node {
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

/** A tree as a list, each group before what is in it. */
export function nodesOf(node: Node): readonly Node[] {
  return [node, ...node.commands.flatMap(nodesOf)];
}

function flagOf({ long, short, description, required, optional, argChoices, flags }: Option): Flag {
  const isFile = /[<[](?:file|folder)[>\]]/.test(flags);
  const value = required || optional ? { choices: argChoices ?? [], isFile } : undefined;
  return { long: long ?? '', short, description, value };
}
