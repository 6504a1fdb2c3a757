import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, openView, setScene, signIn } from '../test/console/browser.ts';
import { buildConsole } from './build-console.ts';

// Takes the pictures of the console in docs/images, of a real service: run it when a view has changed. Needs Chromium.

const FOLDER = join(import.meta.dirname, '..', 'docs', 'images');
const SETTLED_MS = 1500;

buildConsole();
mkdirSync(FOLDER, { recursive: true });
const [scene, browser] = await Promise.all([setScene(), launch()]);
try {
  await scene.bank.publishAll(Array.from({ length: 60 }, () => 'tpp-good'));
  const view = await openView(browser, scene.bank.service.operatorUrl);
  await signIn(view, 'administrator');
  for (const [name, path] of [
    ['console-health', '/'],
    ['console-tpp', '/tpps/tpp-down'],
    ['console-notification', `/notifications/${scene.acknowledged}`],
  ] as const) {
    await view.page.goto(`/console${path}`);
    await view.page.waitForTimeout(SETTLED_MS);
    await view.page.screenshot({ path: join(FOLDER, `${name}.png`) });
  }
} finally {
  await browser.close();
  await scene.stop();
}
