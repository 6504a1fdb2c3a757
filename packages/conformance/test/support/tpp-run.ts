import { makeRsaKey, testPki } from '@tidings/testing';
import { systemClock } from '../../src/clock.ts';
import type { CheckResult, Report } from '../../src/model.ts';
import { runChecks, selectChecks } from '../../src/run.ts';
import { TPP_CHECKS } from '../../src/tpp/checks.ts';
import { readTppConfig, type TppConfig } from '../../src/tpp/config.ts';
import { openTppSession } from '../../src/tpp/session.ts';
import { EXPECTED, type Habits, startReferenceReceiver } from './reference-receiver.ts';

/** Settings that differ from those of the tests. */
export interface RunSettings {
  readonly timing?: Partial<TppConfig['timing']>;
  readonly certificateDaysMin?: number;
}

/** Options of {@link testCallback}. */
export interface CallbackRun {
  readonly callbackUrl: string;
  readonly only?: readonly string[] | undefined;
  readonly settings?: RunSettings | undefined;
  readonly onJwks: (url: string) => void;
}

let keys: ReturnType<typeof makeRsaKey>[] | undefined;

/** Runs the checks against a callback URL on this machine; the runner serves its JWKS over TLS. */
export async function testCallback({ callbackUrl, only = [], settings = {}, onJwks }: CallbackRun): Promise<Report> {
  const { caPem, server, client } = await testPki();
  const texts: Readonly<Record<string, string>> = {
    ...{ ca: caPem, cert: client.certificatePem, key: client.keyPem },
    ...{ 'server-cert': server.certificatePem, 'server-key': server.keyPem },
  };
  const config = readTppConfig({
    value: {
      ...{ name: 'Tested TPP', callbackUrl, clientId: EXPECTED.clientId },
      bank: { issuer: EXPECTED.issuer, organisationId: EXPECTED.organisationId },
      signing: { jwks: { port: 0, certificateFile: 'server-cert', keyFile: 'server-key' } },
      tls: { caFile: 'ca', certificateFile: 'cert', keyFile: 'key' },
      // The certificates of the tests are valid for an hour.
      certificateDaysMin: settings.certificateDaysMin ?? 0,
      burst: 24,
      timing: { answerMs: 20_000, slowBodyMs: 60, quietMs: 1000, keyRefreshMs: 20_000, ...settings.timing },
    },
    readFile: (path) => texts[path] ?? '',
  });
  // The same keys for every run: making them takes longer than the run.
  keys ??= Array.from({ length: 4 }, () => makeRsaKey());
  const made = [...keys];
  const session = await openTppSession(config, { makeKey: () => made.shift() ?? makeRsaKey() });
  try {
    onJwks(session.jwksUrl ?? '');
    return await runChecks({
      ...({ side: 'tpp', target: { name: config.name, url: callbackUrl }, version: '0.1.0' } as const),
      ...{ checks: selectChecks(TPP_CHECKS, only), clock: systemClock },
      ...{ contextOf: session.contextOf, timeLimitMs: session.timeLimitMs },
    });
  } finally {
    await session.close();
  }
}

/** Runs the checks against the reference receiver with these habits. */
export async function testReceiver(habits: Habits, run: Pick<CallbackRun, 'only' | 'settings'> = {}): Promise<Report> {
  const receiver = await startReferenceReceiver(habits);
  try {
    return await testCallback({ ...run, callbackUrl: receiver.callbackUrl, onJwks: (url) => receiver.knows(url) });
  } finally {
    await receiver.close();
  }
}

/** The results that are not passed, in words. */
export function notPassed({ results }: Report): string[] {
  return results.flatMap((result) => (result.outcome.kind === 'passed' ? [] : [wordsOf(result)]));
}

function wordsOf({ id, outcome }: CheckResult): string {
  switch (outcome.kind) {
    case 'failed':
      return `${id} failed: expected ${outcome.expected}; got ${outcome.actual}`;
    case 'skipped':
      return `${id} skipped: ${outcome.reason}`;
    case 'error':
      return `${id} error: ${outcome.message}`;
    case 'passed':
      return `${id} passed`;
  }
}
