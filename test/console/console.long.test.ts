import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { buildConsole } from '../../scripts/build-console.ts';
import { CHROMIUM, launch, openView, type View } from '../support/browser.ts';
import {
  checkAccess,
  DESKTOP,
  offerNextKey,
  type Scene,
  setScene,
  show,
  signIn,
  TELEPHONE,
  widthOf,
} from './browser.ts';
import { actionsOfViews, tryActions } from './roles.ts';

// Every view and every role; console.test.ts looks at some.

const skip = CHROMIUM === undefined && 'there is no Chromium here (apt-get install chromium)';

describe('all of the console', { skip, timeout: 600_000 }, () => {
  let scene: Scene;
  let browser: Browser;
  let admin: View;
  let url = '';
  const views = () => [
    ...['/', '/tpps', '/tpps/tpp-down', '/tpps/tpp-down?tab=notifications', '/tpps/tpp-good?tab=registration'],
    ...['/tpps/tpp-good?tab=keys', '/tpps/tpp-good?tab=retry+policy', '/tpps/tpp-good?tab=audit'],
    ...['/notifications', `/notifications?open=${scene.acknowledged}`, `/notifications/${scene.acknowledged}`],
    ...['/live', '/signing-keys', '/audit', '/system'],
  ];

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

  test('axe finds nothing in any view, light and dark', async () => {
    for (const path of views()) {
      await show(admin, path);
      await checkAccess(admin, path);
      assert.deepEqual(admin.complaints.splice(0), [], path);
    }
  });

  test('nothing is wider than a telephone of 360 pixels', async () => {
    await admin.page.setViewportSize(TELEPHONE);
    for (const path of views()) {
      await show(admin, path);
      assert.equal(await widthOf(admin), TELEPHONE.width, path);
    }
    await admin.page.setViewportSize(DESKTOP);
  });

  test('each role is shown the actions that it may take and no others, and the API refuses the others', async () => {
    offerNextKey(scene);
    await scene.bank.operate('POST', '/operator/v1/signing-keys/reload');
    await scene.bank.operate('POST', '/operator/v1/tpps/tpp-polls/suspend');
    const actions = actionsOfViews(scene.acknowledged);
    await Promise.all(
      (['viewer', 'operator', 'administrator'] as const).map((role) => tryActions(browser, url, role, actions)),
    );
  });
});
