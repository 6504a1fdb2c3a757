import { type Command, InvalidArgumentError } from 'commander';
import { type CommonFlags, operatorCommand, withOperatorClient } from './operator-flags.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;

/** `tidings audit`: what operators, and the service by itself, changed. */
export function auditCommand(): Command {
  return operatorCommand('audit', 'List what operators, and the service by itself, changed; the newest first.')
    .option('--limit <number>', `most entries, up to ${LIMIT_MAX}`, readLimit, LIMIT_DEFAULT)
    .option('--before <id>', 'only what is older than this entry')
    .action(async (flags: CommonFlags & { limit: number; before?: string }) => {
      const [{ shapeOf }, { AuditPage }, { tableOf }, { printJson }] = await Promise.all([
        import('@tidings/protocol'),
        import('../operator/upkeep-routes.ts'),
        import('./table.ts'),
        import('./tpps-print.ts'),
      ]);
      const before = flags.before === undefined ? '' : `&before=${encodeURIComponent(flags.before)}`;
      const call = { method: 'GET', path: `/operator/v1/audit?limit=${flags.limit}${before}` } as const;
      const { value: page } = await withOperatorClient(flags, (client) => client.read(call, shapeOf(AuditPage)));
      if (flags.json === true) return printJson(page);
      const rows = page.entries.map(({ id, at, actor, action, subject, detail }) => {
        return [id, at, actor, action, subject, JSON.stringify(detail)];
      });
      process.stdout.write(tableOf(['ID', 'AT', 'ACTOR', 'ACTION', 'SUBJECT', 'DETAIL'], rows));
      if (page.next !== undefined) process.stdout.write(`There are older ones: --before ${page.next}\n`);
    });
}

function readLimit(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= LIMIT_MAX) return Number(text);
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${LIMIT_MAX}.`);
}
