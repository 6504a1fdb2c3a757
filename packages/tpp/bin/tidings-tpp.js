#!/usr/bin/env node
import { main } from '../src/cli/main.ts';

// Whoever reads the output may end first, as `head` does.
process.stdout.on('error', (error) => {
  if (!('code' in error && error.code === 'EPIPE')) throw error;
});
process.exitCode = await main(process.argv.slice(2));
