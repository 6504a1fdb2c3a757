import { join, relative } from 'node:path';
import type { Command } from 'commander';

/** The state folder, from the current folder. */
export const STATE_FOLDER_DEFAULT = join('.tidings', 'sandbox');

/** Adds `--state` to a command. */
export function addStateFlag(command: Command, description: string): Command {
  return command.option('--state <folder>', description, STATE_FOLDER_DEFAULT);
}

/** The state folder as messages name it. */
export function stateFolderOf(flag: string): string {
  return relative('', flag) || '.';
}
