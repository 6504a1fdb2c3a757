import { connectionOf } from '../../store/open-store.ts';
import type { Database } from '../../store/postgres/database.ts';
import { type DatabaseFacts, inspectDatabase } from '../../store/postgres/inspect.ts';
import { openDatabase, refuseUnfit, schemaOf, startUpErrorOf, stepsAfter } from '../../store/postgres/open.ts';
import { checkDifference, type Finding, fault, type Inspection, ok, refusal, warning } from './finding.ts';
import { isReadable } from './settings.ts';

/** The oldest that the tests of Tidings run on. */
const VERSION_MIN = 150_000;

/** The PostgreSQL database: reachable, safe, with room for this instance, and of a schema that this version knows. */
export async function checkPostgres(inspection: Inspection): Promise<readonly Finding[]> {
  const { store } = inspection.config;
  const files = [store.passwordFile, store.caFile].filter((file) => file !== undefined);
  if (!files.every(isReadable)) return [];
  const connection = { ...connectionOf(store), connectionsMax: 1 };
  const database = openDatabase(connection, () => undefined);
  try {
    const facts = await inspectDatabase(database, inspection.clock);
    const where = 'the clock of the database';
    return [
      ...checkFacts(facts, inspection),
      await checkSchema(database, inspection),
      checkDifference(
        where,
        facts.aheadMs,
        'Let both follow the same time servers (NTP); deliveries go by the database.',
      ),
    ];
  } catch (error) {
    return [refusal('database', startUpErrorOf(error, connection), 'Correct the section "store".')];
  } finally {
    await database.close();
  }
}

function checkFacts(facts: DatabaseFacts, { config: { store } }: Inspection): readonly Finding[] {
  const findings: Finding[] = [];
  const wrong = (what: string, remedy: string) => findings.push(fault('database', what, remedy));
  const doubtful = (what: string, remedy: string) => findings.push(warning('database', what, remedy));
  if (facts.isReadOnly) {
    wrong('The database is read-only: a standby, or set so.', 'Name the primary in "store.url".');
  }
  for (const name of facts.unsafe) {
    const remedy = `On the server: ALTER SYSTEM SET ${name} = on; SELECT pg_reload_conf(); also look at ALTER ROLE and ALTER DATABASE.`;
    wrong(`"${name}" is off: what was accepted can be lost when the server crashes.`, remedy);
  }
  const needed = store.connectionsMax + (store.isListening ? 1 : 0);
  if (needed > facts.connectionsMax) {
    const what = `This instance may use ${needed} connections ("store.connectionsMax"), and the database allows ${facts.connectionsMax}.`;
    wrong(what, 'Lower "store.connectionsMax", or raise "max_connections" of the server or the limit of the user.');
  }
  if (!facts.mayCreate) {
    wrong('The user may not make tables in the database.', 'Let it own the database: ALTER DATABASE ... OWNER TO ...');
  }
  if (facts.encoding !== 'UTF8') {
    wrong(`The encoding of the database is ${facts.encoding}.`, 'Make it anew with ENCODING UTF8 TEMPLATE template0.');
  }
  if (facts.isSuperuser) {
    doubtful(
      'The service connects as a superuser.',
      'Give it a user of its own that owns the database: docs/postgresql.md.',
    );
  }
  if (!facts.isEncrypted && !facts.isLocal) {
    doubtful('The connection to the database is not encrypted.', 'Set "store.caFile" to the roots of its certificate.');
  }
  if (facts.versionNumber < VERSION_MIN) {
    doubtful(
      `Tidings is not tested with PostgreSQL ${facts.version}.`,
      'Upgrade the server to PostgreSQL 15 or later.',
    );
  }
  if (findings.length > 0) return findings;
  const secured = facts.isEncrypted ? 'encrypted' : 'on this machine, not encrypted';
  return [ok('database', `PostgreSQL ${facts.version} is reached, ${secured}, and safe.`)];
}

async function checkSchema(database: Database, { config, file }: Inspection): Promise<Finding> {
  try {
    const state = await schemaOf(database);
    const steps = stepsAfter(state);
    if (steps.length > 0 && config.store.isMigratedAtStart) {
      const what = `The database has schema ${state.version}; the service takes ${steps.length} more steps when it starts`;
      return ok('migrations', `${what} ("store.isMigratedAtStart").`);
    }
    if (steps.length > 0) {
      const what = `The database has schema ${state.version}, and this version needs ${steps.at(-1)?.version}.`;
      return fault('migrations', what, `Run: tidings migrate --config ${file}`);
    }
    refuseUnfit(state);
    return ok('migrations', `The database has schema ${state.version}.`);
  } catch (error) {
    return refusal('migrations', error, 'Start the newer version of Tidings.');
  }
}
