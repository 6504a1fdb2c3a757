import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import { environment } from '../base/process.ts';

interface Flags {
  readonly config: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `tidings migrate`: upgrades the schema of the PostgreSQL database. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .option('--dry-run', 'list the steps without applying them')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  tidings migrate --config /etc/tidings/tidings.json --dry-run
  tidings migrate --config /etc/tidings/tidings.json

Run it before you start instances of a new version; instances of the previous version keep running meanwhile. It is safe to run
it again, or several times at once. With "store.file" it is not needed: the service migrates its file when it starts.

Exit codes: 0 done; 2 wrong usage, the configuration is invalid, or the database cannot be used.`,
    )
    .action(async ({ config: file, dryRun, json }: Flags) => {
      const [{ loadConfig }, { connectionOf }, { openDatabase, startUpErrorOf }, schema] = await Promise.all([
        import('../config/load.ts'),
        import('../store/open-store.ts'),
        import('../store/postgres/open.ts'),
        import('../store/postgres/open.ts'),
      ]);
      const { store } = loadConfig(file, environment());
      if (store.url === undefined) {
        if (json === true) printJson({ isDryRun: dryRun === true, steps: [] });
        else print('nothing to do: the store is a file, whose schema the service migrates when it starts\n');
        return;
      }
      const connection = connectionOf(store);
      const database = openDatabase(connection, () => undefined);
      try {
        const before = await schema.schemaOf(database);
        const taken = dryRun === true ? schema.stepsAfter(before) : await schema.migrate(database);
        if (json === true) {
          const steps = taken.map(({ version, name }) => ({ version, name }));
          printJson({ schemaBefore: before.version, isDryRun: dryRun === true, steps });
          return;
        }
        const verb = dryRun === true ? 'would apply' : 'applied';
        for (const { version, name } of taken) print(`${verb} step ${version}: ${name}\n`);
        if (taken.length === 0) print(`nothing to do: the database already has schema ${before.version}\n`);
      } catch (error) {
        throw startUpErrorOf(error, connection);
      } finally {
        await database.close();
      }
    });
}
