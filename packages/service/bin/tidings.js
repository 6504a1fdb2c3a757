#!/usr/bin/env node
// Plain JavaScript without imports at the top, so that an old Node says what it lacks instead of failing to parse.
const NODE_MAJOR_MIN = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < NODE_MAJOR_MIN) {
  process.stderr.write(
    `tidings: Node.js ${NODE_MAJOR_MIN} or later is needed, this is ${process.versions.node}. ` +
      'In a checkout, "npx tidings" and "npm start" use the one that "npm ci" brought.\n',
  );
  process.exit(2);
}
const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
