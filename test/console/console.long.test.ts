import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAccess, DESKTOP, offerNextKey, show, TELEPHONE, widthOf } from './browser.ts';
import { describeConsole } from './describe-console.ts';
import { actionsOfViews, tryActions } from './roles.ts';

// Every view and every role; console.test.ts looks at some.

describeConsole('all of the console', (stage) => {
  const views = () => [
    ...['/', '/tpps', '/tpps/tpp-down', '/tpps/tpp-down?tab=notifications', '/tpps/tpp-good?tab=registration'],
    ...['/tpps/tpp-good?tab=keys', '/tpps/tpp-good?tab=retry+policy', '/tpps/tpp-good?tab=audit'],
    ...[
      '/notifications',
      `/notifications?open=${stage.scene.acknowledged}`,
      `/notifications/${stage.scene.acknowledged}`,
    ],
    ...['/live', '/signing-keys', '/audit', '/system'],
  ];

  test('axe finds nothing in any view, light and dark', async () => {
    for (const path of views()) {
      await show(stage.admin, path);
      await checkAccess(stage.admin, path);
      assert.deepEqual(stage.admin.complaints.splice(0), [], path);
    }
  });

  test('nothing is wider than a telephone of 360 pixels', async () => {
    await stage.admin.page.setViewportSize(TELEPHONE);
    for (const path of views()) {
      await show(stage.admin, path);
      assert.equal(await widthOf(stage.admin), TELEPHONE.width, path);
    }
    await stage.admin.page.setViewportSize(DESKTOP);
  });

  test('each role is shown the actions that it may take and no others, and the API refuses the others', async () => {
    offerNextKey(stage.scene);
    await stage.scene.bank.operate('POST', '/operator/v1/signing-keys/reload');
    await stage.scene.bank.operate('POST', '/operator/v1/tpps/tpp-polls/suspend');
    const actions = actionsOfViews(stage.scene.acknowledged);
    await Promise.all(
      (['viewer', 'operator', 'administrator'] as const).map((role) =>
        tryActions(stage.browser, stage.url, role, actions),
      ),
    );
  });
});
