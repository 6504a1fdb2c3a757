import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type CheckResult, htmlReport, junitReport, type Report } from '@tidings/conformance';
import { temporaryFolder } from '@tidings/testing';
import type { Browser } from 'playwright-core';
import { breaches, CHROMIUM, launch, openView } from '../support/browser.ts';

// The HTML report in a real browser, from a file, as a bank hands it on; and the JUnit report in a real XML parser.

const skip = CHROMIUM === undefined && 'there is no Chromium here (apt-get install chromium)';
const HOSTILE = `</pre><script>document.title = 'owned'</script><img src="https://elsewhere.example/x">\u001b[2J\u202e"'&\uffff`;
const FAILED = { kind: 'failed', expected: 'a status of 400', actual: HOSTILE } as const;

function result(id: string, changes: Partial<CheckResult>): CheckResult {
  const request = { startLine: 'POST https://tpp.example/', headers: [['x-hostile', HOSTILE]] as const, body: HOSTILE };
  return {
    ...{ id, title: HOSTILE, severity: 'must', source: 'RFC 7519, section 4.1.3', area: 'Claims' },
    ...{ outcome: { kind: 'passed' }, startedAtMs: 0, durationMs: 12 },
    exchanges: [{ role: 'client', startedAtMs: 0, durationMs: 1, request, response: request }],
    ...changes,
  };
}

const report: Report = {
  side: 'tpp',
  target: { name: 'Example TPP', url: 'https://tpp.example/' },
  ...{ version: '0.1.0', startedAtMs: 0, durationMs: 5000 },
  results: [
    result('CLM-01', {}),
    result('CLM-02', { outcome: FAILED, rule: 'Only PS256.', remedy: 'Verify.' }),
    result('CLM-03', { outcome: FAILED, severity: 'may' }),
    result('TLS-01', { outcome: { kind: 'skipped', reason: 'not here' }, area: 'TLS' }),
    result('TLS-02', { outcome: { kind: 'error', message: 'refused' }, area: 'Acknowledgements and retries' }),
  ],
};

describe('the HTML report', { skip, timeout: 120_000 }, () => {
  const folder = temporaryFolder();
  const url = pathToFileURL(join(folder.path, 'report.html')).href;
  let browser: Browser;
  before(async () => {
    writeFileSync(join(folder.path, 'report.html'), htmlReport(report));
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    folder.remove();
  });

  test('has no barrier, light and dark, at any width, and asks for nothing else', async () => {
    const { page, complaints } = await openView(browser, url, { width: 360 });
    await page.goto(url);
    await page.locator('#CLM-02 .exchange > summary').click();
    assert.deepEqual(await breaches(page), []);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360);
    // Widths and themes differ in places and colours alone.
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await breaches(page, ['color-contrast']), [], colorScheme);
      await page.setViewportSize({ width: 1280, height: 900 });
    }
    assert.deepEqual(complaints, []);
  });

  test('shows texts of the other side as texts', async () => {
    const { page } = await openView(browser, url);
    await page.goto(url);
    assert.equal(await page.title(), 'Conformance of Example TPP');
    assert.equal(await page.locator('script, img').count(), 0);
    const shown = HOSTILE.replace('\u001b', '\\u{1b}').replace('\u202e', '\\u{202e}');
    assert.equal(await page.locator('#CLM-02 dd').nth(1).textContent(), shown);
  });

  test('shows a part of the checks, or all of everything, without a script', async () => {
    const { page } = await openView(browser, url);
    await page.goto(url);
    const shown = () => page.locator('.check').filter({ visible: true }).count();
    assert.equal(await shown(), 5);
    await page.getByRole('radio', { name: /^Not passed/ }).check();
    assert.equal(await shown(), 3);
    await page.getByRole('radio', { name: /^Skipped/ }).check();
    assert.equal(await shown(), 1);
    await page.getByRole('radio', { name: /^All/ }).check();
    const messages = page.locator('.message').filter({ visible: true });
    assert.equal(await messages.count(), 0);
    await page.getByLabel('Open everything').check();
    assert.equal(await messages.count(), 10);
  });

  test('is printed with what failed, in dark ink on white', async () => {
    const { page } = await openView(browser, url, { colorScheme: 'dark' });
    await page.goto(url);
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.locator('.controls').isVisible(), false);
    assert.equal(await page.locator('#CLM-02 .message').first().isVisible(), true);
    assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)');
  });

  test('JUnit XML is XML to a real parser, and says the same', async () => {
    const { page } = await openView(browser, url);
    const xml = JSON.stringify(junitReport(report));
    const read: unknown = await page.evaluate(`(() => {
      const found = new DOMParser().parseFromString(${xml}, 'application/xml');
      return [found.querySelectorAll('parsererror').length, found.querySelectorAll('testcase').length,
        found.querySelector('failure').getAttribute('type')];
    })()`);
    assert.deepEqual(read, [0, 5, 'must']);
  });
});
