import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indented } from '../../src/report/html/decoded.ts';
import { htmlReport } from '../../src/report/html/page.ts';
import { jsonReport } from '../../src/report/json.ts';
import { junitReport } from '../../src/report/junit.ts';
import { summarise } from '../../src/report/summary.ts';
import { terminalHead, terminalProgress, terminalSummary } from '../../src/report/terminal.ts';
import { widthOf } from '../../src/report/text.ts';
import { hostileText } from '../support/hostile-text.ts';
import { sampleExchange, sampleReport, sampleResult } from '../support/sample-report.ts';

/** A report in which every text that another side can choose is this one. */
function reportSaying(text: string) {
  const message = { startLine: text, headers: [[text, text]] as const, body: text };
  const exchanges = [sampleExchange({ request: message, response: message }), sampleExchange({ error: text })];
  const common = { title: text, source: text, rule: text, remedy: text, area: text, exchanges };
  return {
    ...sampleReport([
      sampleResult({ ...common, id: 'A-1', outcome: { kind: 'failed', expected: text, actual: text } }),
      sampleResult({
        ...common,
        id: 'A-2',
        severity: 'may',
        outcome: { kind: 'failed', expected: text, actual: text },
      }),
      sampleResult({ ...common, id: 'A-3', outcome: { kind: 'skipped', reason: text } }),
      sampleResult({ ...common, id: 'A-4', outcome: { kind: 'error', message: text } }),
      sampleResult({ ...common, id: 'A-5' }),
    ]),
    target: { name: text, url: text },
  };
}

function printed(report: ReturnType<typeof sampleReport>, options: { isTerminal: boolean; columns?: number }): string {
  let output = '';
  const terminal = { ...options, write: (text: string) => (output += text) };
  terminalHead(report, terminal);
  const progress = terminalProgress(terminal);
  for (const [at, result] of report.results.entries()) {
    progress.started(result, at, report.results.length);
    progress.finished(result);
  }
  terminalSummary(report, terminal);
  return output;
}

test('the verdict is that of the checks that count, and says what else there was', () => {
  const failed = { kind: 'failed', expected: 'a', actual: 'b' } as const;
  const verdictOf = (...outcomes: Parameters<typeof sampleResult>[0][]) => {
    const { verdict, sentence } = summarise(sampleReport(outcomes.map((each) => sampleResult(each))));
    return `${verdict}: ${sentence}`;
  };
  assert.equal(verdictOf({}, {}), 'conforms: Nothing failed that must pass: 2 checks passed.');
  assert.equal(
    verdictOf({}, { severity: 'should', outcome: failed }),
    'conforms: Nothing failed that must pass: 1 check passed; 1 check of less weight failed.',
  );
  assert.equal(verdictOf({ outcome: failed }, {}), 'does-not-conform: 1 check failed that must pass.');
  assert.equal(
    verdictOf({ outcome: { kind: 'error', message: 'x' } }, {}),
    'incomplete: Nothing failed that must pass, but 1 check could not be carried out.',
  );
  assert.equal(verdictOf(), 'incomplete: Nothing failed that must pass, but no check passed.');
  assert.equal(
    summarise(sampleReport([sampleResult({ severity: 'may', outcome: failed })]), 'may').verdict,
    'does-not-conform',
  );
});

test('the terminal shows what failed with its remedy, in 80 columns, and in colour only where it is told to', () => {
  const plain = printed(sampleReport(), { isTerminal: false });
  assert.match(plain, /FAIL {2}CLM-02 {2}A token for another client is refused\n/);
  assert.match(
    plain,
    /CLM-02 {2}must\n(?:.*\n)* {4}expected {2}a status of 400\n {4}actual {4}202 Accepted\n {4}remedy {4}Verify/,
  );
  assert.match(plain, /Could not be carried out\n\n {2}TLS-02\n {4}connection refused\n/);
  assert.match(plain, /TLS-01\n {4}OpenSSL here has no TLS 1\.0\./);
  assert.match(plain, /\nDoes not conform\n/);
  assert.ok(printed(sampleReport(), { isTerminal: true }).includes('\u001b[31mFAIL  \u001b[0m'));
});

test('nothing that the other side says reaches the terminal as a control character, or makes a line longer', () => {
  fc.assert(
    fc.property(hostileText, fc.integer({ min: 48, max: 120 }), (text, columns) => {
      const output = printed(reportSaying(text), { isTerminal: false, columns });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be left.
      assert.doesNotMatch(output, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      for (const line of output.split('\n')) assert.ok(widthOf(line) <= columns, line);
    }),
    { numRuns: 50 },
  );
});

test('JUnit XML counts what it lists, and a failure that does not count is skipped with its reason', () => {
  const xml = junitReport(sampleReport());
  assert.match(
    xml,
    /<testsuites name="tpp conformance: Example TPP" tests="5" failures="1" errors="1" skipped="2" time="5\.320">/,
  );
  assert.equal(xml.match(/<testcase /g)?.length, 5);
  assert.equal(xml.match(/<failure /g)?.length, 1);
  assert.equal(xml.match(/<error /g)?.length, 1);
  assert.match(xml, /<skipped message="not followed \(should\): expected a status of 400; got 202 Accepted"\/>/);
  assert.match(junitReport(sampleReport(), 'should'), /failures="2" errors="1" skipped="1"/);
});

test('JUnit XML is well-formed whatever the other side says', () => {
  fc.assert(
    fc.property(hostileText, (text) => assertWellFormed(junitReport(reportSaying(text)))),
    { numRuns: 50 },
  );
});

/** XML without DTD, comments and CDATA, as the report writes it: tags balance, attributes are quoted and unique. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  const body = xml.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  assert.notEqual(body, xml);
  const rest = body.replaceAll(
    /<(\/?)([a-z-]+)((?: [a-z]+="[^"<&]*(?:&(?:amp|lt|gt|quot|#39|#9|#10);[^"<&]*)*")*)(\/?)>/g,
    (...found) => {
      const [, closing, name, attributes, isEmpty] = found.map(String);
      if (closing === '/') assert.equal(open.pop(), name);
      else if (isEmpty !== '/') open.push(name ?? '');
      const names = [...(attributes ?? '').matchAll(/ ([a-z]+)="/g)].map(([, each]) => each);
      assert.equal(new Set(names).size, names.length);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /<|&(?!amp;|lt;|gt;|quot;|#39;|#9;|#10;)/);
}

test('the JSON report has a format, a version, and the same shape every time', () => {
  const { results, ...head } = JSON.parse(jsonReport(sampleReport()));
  assert.deepEqual(head, {
    format: 'tidings-conformance-report',
    version: 1,
    runner: { name: '@tidings/conformance', version: '0.1.0' },
    side: 'tpp',
    target: { name: 'Example TPP', url: 'https://tpp.example/open-banking/v4.0/event-notifications' },
    startedAt: '2026-11-21T09:30:00.000Z',
    durationMs: 5320,
    verdict: 'does-not-conform',
    summary: {
      sentence:
        '1 check failed that must pass; 1 check could not be carried out; 1 check of less weight failed; 1 check was skipped.',
      total: { passed: 1, failed: 2, skipped: 1, error: 1 },
      bySeverity: {
        must: { passed: 1, failed: 1, skipped: 1, error: 1 },
        should: { passed: 0, failed: 1, skipped: 0, error: 0 },
        may: { passed: 0, failed: 0, skipped: 0, error: 0 },
      },
      byArea: [
        { area: 'Claims', passed: 1, failed: 2, skipped: 0, error: 0 },
        { area: 'TLS', passed: 0, failed: 0, skipped: 1, error: 1 },
      ],
    },
  });
  const { exchanges, ...failed } = results[1];
  assert.deepEqual(failed, {
    ...{ id: 'CLM-02', title: 'A token for another client is refused', severity: 'must', area: 'Claims' },
    ...{ source: 'RFC 7519, section 4.1.3', rule: 'Only PS256 is allowed.', remedy: 'Verify with PS256 only.' },
    ...{ outcome: 'failed', expected: 'a status of 400', actual: '202 Accepted' },
    ...{ startedAt: '2026-11-21T09:30:01.000Z', durationMs: 42 },
  });
  const { startedAt, durationMs, role, response } = exchanges[0];
  assert.deepEqual(
    { startedAt, durationMs, role },
    { startedAt: '2026-11-21T09:30:01.000Z', durationMs: 12, role: 'client' },
  );
  assert.deepEqual(response, {
    startLine: '400 Bad Request',
    headers: [{ name: 'content-type', value: 'application/json' }],
    body: '{"err":"invalid_request","description":"aud twice"}',
  });
});

test('the HTML page has the same tags whatever the other side says', () => {
  const tagsOf = (text: string) =>
    htmlReport(reportSaying(text))
      .match(/<[^>]*>/g)
      ?.map((tag) => tag.replaceAll(/"[^"]*"/g, '""'));
  const expected = tagsOf('harmless');
  fc.assert(
    // A token is decoded into a box of its own, which is a difference on purpose.
    fc.property(
      hostileText.map((text) => text.replaceAll('eyJ', '')),
      (text) => {
        assert.deepEqual(tagsOf(`x${text}`), expected);
      },
    ),
    { numRuns: 50 },
  );
});

test('the HTML page shows a token decoded, with a member that is there twice', () => {
  const page = htmlReport(sampleReport());
  assert.match(
    page,
    /\{\n {2}&quot;aud&quot;: &quot;tpp-1&quot;,\n {2}&quot;aud&quot;: &quot;tpp-2&quot;,\n {2}&quot;events&quot;: \{\}\n\}/,
  );
});

test('indenting JSON changes nothing but the space outside of strings', () => {
  fc.assert(fc.property(fc.json(), (text) => assert.deepEqual(JSON.parse(indented(text)), JSON.parse(text))));
  fc.assert(
    fc.property(hostileText, (text) => {
      assert.equal(indented(`{${text}`).replaceAll(/\s/g, ''), `{${text}`.replaceAll(/\s/g, ''));
    }),
  );
});
