import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@tidings/testing';
import { launch, openView } from '../test/support/browser.ts';
import { start } from '../test/support/command.ts';
import { buildConsole } from './build-console.ts';

// Takes the pictures in docs/images, of the sandbox, along the way of docs/guides/outage.md: run it when a view has changed.
// Needs Chromium.

const FOLDER = join(import.meta.dirname, '..', 'docs', 'images');
const SETTLED_MS = 1500;
const UNRESPONSIVE_WITHIN_MS = 90_000;
const FAILING = 'tidings-failing-tpp';

buildConsole();
mkdirSync(FOLDER, { recursive: true });
const state = temporaryFolder();
const sandbox = start(['sandbox', '--json', '--port', '0', '--state', state.path], { patienceMs: 300_000 });
const browser = await launch();
try {
  const link: string = JSON.parse(await sandbox.line(/"console"/)).console;
  const { page } = await openView(browser, new URL(link).origin);
  const takePicture = async (name: string) => {
    await page.waitForTimeout(SETTLED_MS);
    await page.screenshot({ path: join(FOLDER, `console-${name}.png`) });
  };
  const makeHappen = async (title: string) => {
    await page.getByRole('button', { name: 'Make something happen' }).click();
    await page.getByRole('dialog').getByRole('button', { name: title }).click();
  };
  await page.goto(link);
  await makeHappen('100 payments are settled');
  await makeHappen('the TPP fails twice');
  await page.getByText('acknowledged (202)').waitFor();
  await takePicture('notification');
  await page.getByRole('link', { name: 'Health' }).click();
  await page.getByText('unresponsive', { exact: true }).first().waitFor({ timeout: UNRESPONSIVE_WITHIN_MS });
  await takePicture('health');
  await page.getByRole('link', { name: FAILING }).click();
  await page.getByRole('heading', { level: 1, name: FAILING }).waitFor();
  await takePicture('tpp');
  await makeHappen('The TPP that is down is repaired');
  await page.getByRole('button', { name: 'Probe now' }).click();
  await page.getByRole('dialog').getByText('awaiting').waitFor();
  await takePicture('probe');
  await page.getByRole('dialog').getByRole('button', { name: 'Probe now' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.getByText('healthy', { exact: true }).waitFor({ timeout: UNRESPONSIVE_WITHIN_MS });
  await page.getByRole('link', { name: 'Health' }).click();
  await page.getByText('All quiet').first().waitFor({ timeout: UNRESPONSIVE_WITHIN_MS });
  await page.getByText('none', { exact: true }).waitFor({ timeout: UNRESPONSIVE_WITHIN_MS });
  await takePicture('recovered');
} finally {
  await browser.close();
  sandbox.child.kill('SIGINT');
  await sandbox.ended;
  state.remove();
}
