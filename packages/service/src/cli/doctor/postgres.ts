import { connectionOf } from '../../store/open-store.ts';
import type { Database } from '../../store/postgres/database.ts';
import { type DatabaseFacts, inspectDatabase } from '../../store/postgres/inspect.ts';
import { openDatabase, refuseUnfit, schemaOf, startUpErrorOf, stepsAfter } from '../../store/postgres/open.ts';
import { checkClock, type Finding, fault, faultFrom, type Inspection, ok, warning } from './finding.ts';
import { isReadable } from './settings.ts';

/** The oldest version with which Tidings is tested. */
const VERSION_MIN = 150_000;

/** Checks the PostgreSQL database: reachable, durable, enough connections, and a schema that this version supports. */
export async function checkPostgres(inspection: Inspection): Promise<readonly Finding[]> {
  const { store } = inspection.config;
  const files = [store.passwordFile, store.caFile].filter((file) => file !== undefined);
  if (!files.every(isReadable)) return [];
  const connection = { ...connectionOf(store), connectionsMax: 1 };
  const database = openDatabase(connection, () => undefined);
  try {
    const facts = await inspectDatabase(database, inspection.clock);
    return [
      ...checkFacts(facts, inspection),
      await checkSchema(database, inspection),
      checkClock(
        'the clock of the database',
        facts.aheadMs,
        'Synchronise both clocks with the same time servers (NTP); deliveries are scheduled by the database clock.',
      ),
    ];
  } catch (error) {
    return [faultFrom('database', startUpErrorOf(error, connection), 'Correct the section "store".')];
  } finally {
    await database.close();
  }
}

function checkFacts(facts: DatabaseFacts, { config: { store } }: Inspection): readonly Finding[] {
  const findings: Finding[] = [];
  const addFault = (what: string, remedy: string) => findings.push(fault('database', what, remedy));
  const addWarning = (what: string, remedy: string) => findings.push(warning('database', what, remedy));
  if (facts.isReadOnly) {
    addFault('The database is read-only: it is a standby, or is configured so.', 'Use the primary in "store.url".');
  }
  for (const name of facts.unsafe) {
    const remedy = `On the server: ALTER SYSTEM SET ${name} = on; SELECT pg_reload_conf(); also check for ALTER ROLE and ALTER DATABASE settings.`;
    addFault(`"${name}" is off: accepted events can be lost if the server crashes.`, remedy);
  }
  const needed = store.connectionsMax + (store.isListening ? 1 : 0);
  if (needed > facts.connectionsMax) {
    const what = `This instance may use ${needed} connections ("store.connectionsMax"), but the database allows only ${facts.connectionsMax}.`;
    addFault(
      what,
      'Lower "store.connectionsMax", or raise "max_connections" of the server or the connection limit of the user.',
    );
  }
  if (!facts.mayCreate) {
    addFault(
      'The database user may not create tables.',
      'Make it the owner of the database: ALTER DATABASE ... OWNER TO ...',
    );
  }
  if (facts.encoding !== 'UTF8') {
    addFault(
      `The encoding of the database is ${facts.encoding}.`,
      'Create the database again with ENCODING UTF8 TEMPLATE template0.',
    );
  }
  if (facts.isSuperuser) {
    addWarning(
      'The service connects as a superuser.',
      'Create a separate user that owns the database: docs/postgresql.md.',
    );
  }
  if (!facts.isEncrypted && !facts.isLocal) {
    addWarning(
      'The connection to the database is not encrypted.',
      'Set "store.caFile" to the root of its certificate.',
    );
  }
  if (facts.versionNumber < VERSION_MIN) {
    addWarning(
      `Tidings is not tested with PostgreSQL ${facts.version}.`,
      'Upgrade the server to PostgreSQL 15 or later.',
    );
  }
  if (findings.length > 0) return findings;
  const secured = facts.isEncrypted ? 'encrypted' : 'on this machine, unencrypted';
  return [ok('database', `PostgreSQL ${facts.version} is reachable (${secured}) and durable.`)];
}

async function checkSchema(database: Database, { config, file }: Inspection): Promise<Finding> {
  try {
    const state = await schemaOf(database);
    const steps = stepsAfter(state);
    if (steps.length > 0 && config.store.isMigratedAtStart) {
      const what = `The database has schema ${state.version}; the service applies ${steps.length} more steps when it starts`;
      return ok('migrations', `${what} ("store.isMigratedAtStart").`);
    }
    if (steps.length > 0) {
      const what = `The database has schema ${state.version}, but this version needs ${steps.at(-1)?.version}.`;
      return fault('migrations', what, `Run: tidings migrate --config ${file}`);
    }
    refuseUnfit(state);
    return ok('migrations', `The database has schema ${state.version}.`);
  } catch (error) {
    return faultFrom('migrations', error, 'Use the newer version of Tidings.');
  }
}
