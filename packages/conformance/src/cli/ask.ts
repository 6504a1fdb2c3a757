import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import type { Ask } from '../aspsp/event-maker.ts';
import type { Output } from './output.ts';

/** Asks the person at the terminal, and waits for Enter. */
export function askAtTerminal({ print }: Pick<Output, 'print'>): Ask {
  return async (request, signal) => {
    const lines = createInterface({ input: process.stdin });
    try {
      print(`\n${request}\nPress Enter when it is done. `);
      await lines.question('', { signal });
    } finally {
      lines.close();
    }
  };
}
