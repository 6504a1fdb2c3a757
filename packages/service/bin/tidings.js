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

// V8 lets the space for new objects grow to 130 MB, and old space to a multiple of what lives in it before it collects; it
// takes limits only when it starts. A long-running service has no use for so much (measured: docs/performance.md), so it
// replaces itself once, as the same process. What the operator sets goes before; where it cannot be done, it runs as it is.
const LIMITS = [
  ['--max-semi-space-size', 8],
  ['--heap-growing-percent', 100],
];
const given = [...process.execArgv, process.env.NODE_OPTIONS ?? ''];
const missing = LIMITS.filter(([name]) => !given.some((each) => each.includes(name))).map((limit) => limit.join('='));
if (process.argv[2] === 'serve' && process.execve !== undefined && process.platform !== 'win32' && missing.length > 0) {
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...missing, ...process.argv.slice(1)]);
}

const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
