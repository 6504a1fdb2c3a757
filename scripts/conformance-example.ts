import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type CheckResult,
  htmlReport,
  openTppSession,
  readTppConfig,
  runChecks,
  systemClock,
  TPP_CHECKS,
} from '@tidings/conformance';
import { testPki } from '@tidings/testing';
import { EXPECTED, startReferenceReceiver } from '../packages/conformance/test/support/reference-receiver.ts';
import { launch, openView } from '../test/support/browser.ts';

// npm run conformance-example: runs the checks of a callback URL against a receiver with five faults, and writes the HTML report
// and its picture for the docs. Run it when the report looks different. Needs Chromium.

const DOCS = join(import.meta.dirname, '..', 'docs');
const REPORT = join(DOCS, 'examples', 'conformance-report.html');
const PICTURE = join(DOCS, 'images', 'conformance-report.png');
const PICTURE_HEIGHT = 1500;

/** Of what passed, an example shows the first exchange and the last: all of them are over a megabyte. */
function shortened(result: CheckResult): CheckResult {
  const { outcome, exchanges } = result;
  if (outcome.kind !== 'passed' || exchanges.length < 3) return result;
  const shown = [...exchanges.slice(0, 1), ...exchanges.slice(-1)];
  return { ...result, exchanges: shown, exchangesOmitted: exchanges.length - shown.length };
}

const { caPem } = await testPki();
const { issuer, organisationId, clientId } = EXPECTED;

// It takes any trust anchor, any typ and the last of two members; its refusals have no language, and echo nothing.
const receiver = await startReferenceReceiver({
  without: ['header-tan', 'typ'],
  parse: (bytes) => JSON.parse(bytes.toString()),
  reply: (good) => {
    if (good.status === 202) return good;
    const { 'content-language': _language, 'x-fapi-interaction-id': _id, ...headers } = good.headers;
    return { ...good, headers };
  },
});
const config = readTppConfig({
  value: {
    ...{ name: 'Example TPP', callbackUrl: receiver.callbackUrl, clientId, bank: { issuer, organisationId } },
    ...{ signing: { jwks: { port: 0 } }, tls: { caFile: 'ca.pem' } },
    // The certificate is made for an hour; a burst of a few is enough to read.
    ...{ certificateDaysMin: 0, burst: 6 },
  },
  readFile: () => caPem,
});
const session = await openTppSession(config);
receiver.knows(session.jwksUrl ?? '');
const report = await runChecks({
  ...({ side: 'tpp', target: { name: config.name, url: config.callbackUrl }, version: '0.1.0' } as const),
  ...{ checks: TPP_CHECKS, clock: systemClock, contextOf: session.contextOf, timeLimitMs: session.timeLimitMs },
});
await Promise.all([session.close(), receiver.close()]);
mkdirSync(join(DOCS, 'examples'), { recursive: true });
writeFileSync(REPORT, htmlReport({ ...report, results: report.results.map(shortened) }));
const browser = await launch();
const url = pathToFileURL(REPORT).href;
const { page } = await openView(browser, url);
await page.setViewportSize({ width: 1280, height: PICTURE_HEIGHT });
await page.goto(url);
await page.screenshot({ path: PICTURE });
await browser.close();
