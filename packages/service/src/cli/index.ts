import type { Command } from 'commander';

export { buildProgram, main } from './main.ts';

const WIDTH = 110;

/** Every command with its help, as Markdown; groups before their commands, without hidden ones. */
export function commandReference(program: Command): string {
  return commandsOf(program)
    .slice(1)
    .map(({ path, command }) => `## ${path}\n\n\`\`\`text\n${helpOf(command).trimEnd()}\n\`\`\`\n`)
    .join('\n');
}

/** A command and its path. */
export interface FoundCommand {
  /** As in `tidings tpps list`. */
  readonly path: string;
  readonly command: Command;
}

/** A program and all commands in it. */
export function commandsOf(command: Command, above = ''): readonly FoundCommand[] {
  const path = above === '' ? command.name() : `${above} ${command.name()}`;
  const shown = command.createHelp().visibleCommands(command);
  const inner = command.commands.filter((each) => shown.includes(each));
  return [{ path, command }, ...inner.flatMap((each) => commandsOf(each, path))];
}

/** The output of `--help`, without colours and of the same width everywhere. */
export function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}
