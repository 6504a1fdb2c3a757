import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { whyNoContainers } from './container.ts';
import { imageRun } from './image-run.ts';

const USAGE = `npm run image-test -- [--packed]

Assembles the file tree of the image (deploy/docker/tree.sh) and runs the service in it without a container engine: in namespaces
and a chroot, with the user, entry point and health check of the Dockerfile, on a read-only root. It starts on SQLite and, for two
brands at once, on PostgreSQL; delivers notifications to a TPP; and is stopped by SIGTERM during an attempt. Needs root on Debian.

  --packed  use dist/packed as it is, rather than run npm run pack first

Exit codes: 0 it works, or this machine cannot do it (it says so); 1 it does not; 2 wrong use.
`;

const { values } = parseArgs({
  options: { packed: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
const print = (line: string) => void process.stdout.write(`${line}\n`);

// Not by the default action of the signals, which would leave processes and mounts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const impossible = whyNoContainers();
if (values.help) {
  process.stderr.write(USAGE);
} else if (impossible !== undefined) {
  print(`skipped: ${impossible}`);
} else {
  if (!values.packed) execFileSync('npm', ['run', '--silent', 'pack'], { stdio: 'inherit' });
  await imageRun(print);
  print('passed');
}
