import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startPostgres } from '../test/support/postgres-server.ts';

const USAGE = `npm run cluster-demo -- [--instances N] [any other flag of "tidings sandbox"]

Starts a real PostgreSQL server with an empty database, and the sandbox with N instances (3) of the service on it: the TPP
talks to the first, the bank publishes at the last. Ctrl-C ends everything.
`;

const flags = process.argv.slice(2);
const at = flags.indexOf('--instances');
const [, instances = '3'] = at < 0 ? [] : flags.splice(at, 2);
if (flags.includes('--help')) {
  process.stdout.write(USAGE);
} else {
  const server = await startPostgres();
  process.stdout.write(`PostgreSQL: ${server.url}\n`);
  // The sandbox handles Ctrl-C itself; the database must outlive it.
  process.on('SIGINT', () => undefined);
  const args = ['packages/service/bin/tidings.js', 'sandbox', '--instances', instances];
  const sandbox = spawn(process.execPath, [...args, '--postgres', server.url, ...flags], { stdio: 'inherit' });
  const [code] = await once(sandbox, 'exit');
  await server.stop();
  process.exitCode = typeof code === 'number' ? code : 1;
}
