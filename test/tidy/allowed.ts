import type { Violation } from './violation.ts';

/** A file, or a folder ending in a slash, in which one rule does not hold, and why. */
export interface Allowance {
  readonly rule: string;
  readonly path: string;
  readonly reason: string;
}

/**
 * The only exceptions to the rules on calls (`forbidden.ts`) and on left-out tests (`skips.ts`).
 * An entry that excuses nothing any more fails the test, so that this list stays the true list of the edges.
 */
export const ALLOWED: readonly Allowance[] = [
  {
    rule: 'json-parse',
    path: 'packages/protocol/src/strict-json.ts',
    reason: 'this is the strict parser: it refuses what JSON.parse lets through',
  },
  {
    rule: 'clock',
    path: 'packages/console/src/',
    reason: 'runs in a browser, whose tests move its clock',
  },
  {
    rule: 'timer',
    path: 'packages/console/src/',
    reason: 'runs in a browser, whose tests move its clock',
  },
  {
    rule: 'fetch',
    path: 'packages/console/src/',
    reason: 'runs in a browser, whose fetch is the only HTTP client there is',
  },
  {
    rule: 'clock',
    path: 'packages/conformance/src/clock.ts',
    reason: 'the real clock of the conformance runner, injected everywhere else',
  },
  {
    rule: 'timer',
    path: 'packages/conformance/src/clock.ts',
    reason: 'the real timers of the conformance runner, injected everywhere else',
  },
  {
    rule: 'output',
    path: 'packages/conformance/src/cli/output.ts',
    reason: 'the command line of the runner prints there; what it prints of the tested side has no control characters',
  },
  {
    rule: 'clock',
    path: 'packages/service/src/base/clock.ts',
    reason: 'the real clock of the service, injected everywhere else',
  },
  {
    rule: 'timer',
    path: 'packages/service/src/base/clock.ts',
    reason: 'the real timers of the service, injected everywhere else',
  },
  {
    rule: 'random',
    path: 'packages/service/src/base/random.ts',
    reason: 'the real randomness of the service: it spreads retries and keeps no secret',
  },
  {
    rule: 'exit',
    path: 'packages/service/src/base/process.ts',
    reason: 'a second signal ends the process at once, whatever is still running',
  },
  {
    rule: 'output',
    path: 'packages/service/src/base/output.ts',
    reason: 'the one place that writes to standard output and standard error',
  },
  {
    rule: 'environment',
    path: 'packages/service/src/base/process.ts',
    reason: 'the one place that reads the variables with which the service is configured',
  },
  {
    rule: 'environment',
    path: 'packages/service/src/cli/output.ts',
    reason: 'COLUMNS is the width of tables where the output is no terminal',
  },
  {
    rule: 'environment',
    path: 'packages/signer-azure-key-vault/src/index.ts',
    reason: 'the variables by which Azure tells a workload its identity',
  },
  {
    rule: 'environment',
    path: 'packages/signer-pkcs11/src/index.ts',
    reason: 'passes it on to the process of the module, whose library may have its settings there',
  },
  {
    rule: 'json-parse',
    path: 'packages/service/src/store/rows.ts',
    reason: 'reads back what this store wrote itself',
  },
  {
    rule: 'clock',
    path: 'packages/tpp/src/clock.ts',
    reason: 'the real clock of the TPP side, injected everywhere else',
  },
  {
    rule: 'console',
    path: 'packages/tpp/src/output.ts',
    reason: 'a receiver or poller without observers prints its refusals there, once for each cause',
  },
  {
    rule: 'output',
    path: 'packages/tpp/src/output.ts',
    reason: 'the command line of the package prints there; what it prints of a token has no control characters',
  },
  {
    rule: 'timer',
    path: 'packages/tpp/src/clock.ts',
    reason: 'the real timers of the TPP side, injected everywhere else',
  },
];

/** What remains of the violations after the allow-list, and each entry of the list that excused nothing. */
export function withoutAllowed(violations: readonly Violation[], allowed: readonly Allowance[]): Violation[] {
  const used = new Set<Allowance>();
  const remaining = violations.filter((violation) => {
    const matching = allowed.filter((each) => excuses(each, violation));
    for (const each of matching) used.add(each);
    return matching.length === 0;
  });
  return [...remaining, ...allowed.filter((each) => !used.has(each)).map(unneeded)];
}

function excuses(allowance: Allowance, { rule, path }: Violation): boolean {
  if (rule === 'tls' || rule !== allowance.rule) return false;
  return allowance.path.endsWith('/') ? path.startsWith(allowance.path) : path === allowance.path;
}

function unneeded(allowance: Allowance): Violation {
  return {
    path: 'test/tidy/allowed.ts',
    line: 1,
    rule: 'unneeded-allowance',
    found: `nothing in ${allowance.path} needs '${allowance.rule}' to be allowed`,
    remedy: 'delete the entry from ALLOWED',
  };
}
