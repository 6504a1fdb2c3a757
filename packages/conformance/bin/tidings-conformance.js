#!/usr/bin/env node
// Plain JavaScript without imports at the top, so that an old Node says what it lacks instead of failing to parse.
const NODE_MAJOR_MIN = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < NODE_MAJOR_MIN) {
  process.stderr.write(
    `tidings-conformance: Node.js ${NODE_MAJOR_MIN} or later is needed, this is ${process.versions.node}.\n`,
  );
  process.exit(2);
}

// Whoever reads the output may end first, as `head` does.
process.stdout.on('error', (error) => {
  if (!('code' in error && error.code === 'EPIPE')) throw error;
});

const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
