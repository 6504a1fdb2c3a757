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

// V8 lets the space for new objects grow to 130 MB, and takes a limit only when it starts. A long-running service has no
// use for more than this (measured: docs/performance.md), so it replaces itself once, as the same process. Where that
// cannot be done, or the operator says otherwise, it runs as it is.
const LIMIT = '--max-semi-space-size';
const isLimited = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((each) => each.includes(LIMIT));
if (process.argv[2] === 'serve' && process.execve !== undefined && process.platform !== 'win32' && !isLimited) {
  process.execve(process.execPath, [process.execPath, ...process.execArgv, `${LIMIT}=8`, ...process.argv.slice(1)]);
}

const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
