import { after, before, describe } from 'node:test';
import type { Browser } from 'playwright-core';
import { buildConsole } from '../../scripts/build-console.ts';
import { CHROMIUM, launch, openView, type View } from '../support/browser.ts';
import { type Scene, setScene, signIn } from './browser.ts';

/** What the tests of the console work with, once their hooks have run. */
export interface Stage {
  readonly scene: Scene;
  readonly browser: Browser;
  /** An administrator who is signed in. */
  readonly admin: View;
  /** Of the console. */
  readonly url: string;
}

/** Describes the console in a real browser, against a real service; skips where there is no Chromium. */
export function describeConsole(name: string, tests: (stage: Stage) => void): void {
  const skip = CHROMIUM === undefined && 'there is no Chromium here (apt-get install chromium)';
  describe(name, { skip, timeout: 600_000 }, () => {
    let scene: Scene;
    let browser: Browser;
    let admin: View;
    let url = '';
    before(async () => {
      buildConsole();
      [scene, browser] = await Promise.all([setScene(), launch()]);
      url = scene.bank.service.operatorUrl;
      admin = await openView(browser, url);
      await signIn(admin, 'administrator');
    });
    after(async () => {
      await browser?.close();
      await scene?.stop();
    });
    tests({
      get scene() {
        return scene;
      },
      get browser() {
        return browser;
      },
      get admin() {
        return admin;
      },
      get url() {
        return url;
      },
    });
  });
}
