import type { Command } from 'commander';
import { defineFromSandbox } from './sandbox.ts';

/** `tidings trigger`, which is part of the sandbox. */
export function define(command: Command): Promise<void> {
  return defineFromSandbox(command, 'defineTrigger');
}
