import { globSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';

// A process for each test file, which is what `node --test` starts, loads the same modules again and again: that was most of
// the time of short tests. The files of a group share a process. What measures memory, ends processes or fills the machine
// has a process of its own: it is in no group.

const ROOT = join(import.meta.dirname, '..', '..');

const SERVICE = 'packages/service/test';

/** Patterns of the files of each group, from the root of the repository. The group `NAME` is run by `NAME.ts` beside this. */
export const GROUPS = {
  operator: [
    'test/operator/{alert-rules,alerts,audit,authentication,evidence,logs,metrics,operation-calls,operations,operator,parameters}.test.ts',
    'test/operator/{publish,redelivery,search,signing-keys,signing-providers,stream,stream-access}.test.ts',
  ],
  'operator-long': [
    'test/operator/{audit-archive,backpressure,backup,cluster,console-oidc,console-session}.test.ts',
    'test/operator/{renewal,retention,revocation,rotation-cluster,texts}.test.ts',
  ],
  registrations: ['test/registrations/*.test.ts', 'test/registry/{import,operator-tpps,registered-tpp}.test.ts'],
  resources: [
    'test/api/{authentication,bodies,early-refusals,event-subscriptions,http,paths,signatures}.test.ts',
    'test/polling/{events,kit-at-service,model}.test.ts',
    'test/rules/*.test.ts',
    'test/openapi/*.test.ts',
  ],
  'resources-long': [
    'test/api/{hostile,malformed,slow,store-errors,unauthenticated}.test.ts',
    'test/polling/{burst,long-poll,many-long-polls}.test.ts',
    'test/operator/callback-url-health.test.ts',
    'test/registry/{cli-tpps,serve-reload}.test.ts',
  ],
  service: [
    `${SERVICE}/alerts/{channels,conditions}.test.ts`,
    `${SERVICE}/{api,base,config,net,operator,retention,telemetry}/*.test.ts`,
  ],
  store: [
    `${SERVICE}/store/postgres-{activity,attempts,changes,clear-password,clock,database,instances}.test.ts`,
    `${SERVICE}/store/postgres-{partitions,publishing,schema,search,withdrawing}.test.ts`,
    `${SERVICE}/store/{frozen-schema,sqlite,sqlite-*}.test.ts`,
    `${SERVICE}/alerts/alerts.test.ts`,
  ],
  cli: ['test/cli/{completion,config,refusals,tables,terminal-injection,tree,usage}.test.ts'],
  'cli-alone': ['test/cli/{closed-output,migrate,own-tpp,sandbox,serve}.test.ts', 'test/publish/*.test.ts'],
  'service-cli': [`${SERVICE}/cli/*.test.ts`],
  notify: [`${SERVICE}/notify/*.test.ts`],
  trust: [`${SERVICE}/trust/*.test.ts`],
  protocol: ['packages/protocol/test/*.test.ts'],
  sandbox: ['packages/sandbox/test/*.test.ts', 'test/flow/*.test.ts'],
  conformance: [
    'packages/conformance/test/{report,tpp}/*.test.ts',
    'packages/conformance/test/{aspsp-checks,aspsp-config,cli,run}.test.ts',
    'test/conformance/{aspsp,cli,docs,mutants,sample-tpp}.test.ts',
  ],
  tpp: ['packages/tpp/test/*.test.ts'],
  inbox: ['test/inbox/*.test.ts'],
  optional: [
    'packages/{intake-kafka,signer-*}/test/*.test.ts',
    `${SERVICE}/intake/*.test.ts`,
    'test/operator/softhsm.test.ts',
  ],
  texts: [
    'test/{data-protection,docs,docs-commands,pack,rules,threat-model}.test.ts',
    'test/tidy/*.test.ts',
    'test/tutorials/{blocks,shown-output}.test.ts',
    'test/chaos/{delays,door,in-flight,sent-after}.test.ts',
    'test/bench/{rss,soak}.test.ts',
    'test/cookbook/cases.test.ts',
    'packages/console/test/generated.test.ts',
  ],
  browser: ['test/conformance/report-page.test.ts', 'test/console/{console,sandbox-console}.test.ts'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Group = keyof typeof GROUPS;

/** Whether a test file is of those that `npm run test:long` runs, and `npm test` leaves out. */
export function isLong(file: string): boolean {
  return file.endsWith('.long.test.ts');
}

/** @returns the files of a group, from the root of the repository. @throws {Error} when a pattern matches none */
export function filesOf(group: Group): readonly string[] {
  return GROUPS[group].flatMap((pattern) => {
    const files = globSync(pattern, { cwd: ROOT })
      .filter((file) => !isLong(file))
      .sort();
    if (files.length === 0) throw new Error(`group ${group}: no test file matches ${pattern}`);
    return files;
  });
}

/** Runs the files of a group in this process, one after the other, each in a suite of its own, with hooks of its own. */
export async function runTogether(group: Group): Promise<void> {
  for (const file of filesOf(group)) await runFile(file);
}

/** @returns when the tests of the file have ended: the next file is not read before. A file that cannot be read fails */
function runFile(file: string): Promise<void> {
  return new Promise((resolve) => {
    describe(file, async () => {
      after(() => resolve());
      await import(join(ROOT, file)).catch((error: unknown) => {
        resolve();
        throw error;
      });
    });
  });
}
