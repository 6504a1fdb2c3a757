import type { CheckResult, Exchange, Report } from '../../src/model.ts';

const TOKEN = `${Buffer.from('{"alg":"PS256","kid":"k-1"}').toString('base64url')}.${Buffer.from('{"aud":"tpp-1","aud":"tpp-2","events":{}}').toString('base64url')}.c2ln`;

/** An exchange in which a token was refused, with parts that differ. */
export function sampleExchange(changes: Partial<Exchange> = {}): Exchange {
  return {
    role: 'client',
    startedAtMs: Date.UTC(2026, 10, 21, 9, 30, 1),
    durationMs: 12.4,
    request: {
      startLine: 'POST https://tpp.example/open-banking/v4.0/event-notifications',
      headers: [
        ['content-type', 'application/jwt'],
        ['x-fapi-interaction-id', '3a7f0d5e-5a08-4a4e-9a30-2f1f2d6e7c11'],
      ],
      body: TOKEN,
    },
    response: {
      startLine: '400 Bad Request',
      headers: [['content-type', 'application/json']],
      body: '{"err":"invalid_request","description":"aud twice"}',
    },
    ...changes,
  };
}

/** A result that passed, with parts that differ. */
export function sampleResult(changes: Partial<CheckResult> = {}): CheckResult {
  return {
    id: 'CLM-01',
    title: 'A token for another client is refused',
    severity: 'must',
    source: 'RFC 7519, section 4.1.3',
    area: 'Claims',
    outcome: { kind: 'passed' },
    startedAtMs: Date.UTC(2026, 10, 21, 9, 30, 1),
    durationMs: 41.7,
    exchanges: [sampleExchange()],
    ...changes,
  };
}

/** A report with one result of each kind, unless told otherwise. */
export function sampleReport(results: readonly CheckResult[] = sampleResults()): Report {
  return {
    side: 'tpp',
    target: { name: 'Example TPP', url: 'https://tpp.example/open-banking/v4.0/event-notifications' },
    version: '0.1.0',
    startedAtMs: Date.UTC(2026, 10, 21, 9, 30),
    durationMs: 5320,
    results,
  };
}

function sampleResults(): readonly CheckResult[] {
  const failed = { kind: 'failed', expected: 'a status of 400', actual: '202 Accepted' } as const;
  const remedy = 'Verify with PS256 only.';
  return [
    sampleResult(),
    sampleResult({ id: 'CLM-02', outcome: failed, rule: 'Only PS256 is allowed.', remedy }),
    sampleResult({ id: 'CLM-03', severity: 'should', outcome: failed }),
    sampleResult({ id: 'TLS-01', area: 'TLS', outcome: { kind: 'skipped', reason: 'OpenSSL here has no TLS 1.0.' } }),
    sampleResult({ id: 'TLS-02', area: 'TLS', outcome: { kind: 'error', message: 'connection refused' } }),
  ];
}
