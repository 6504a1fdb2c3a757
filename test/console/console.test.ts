import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@tidings/testing';
import { breaches, openView } from '../support/browser.ts';
import { alertsOfService, FOUND_PAGE, foundPage, jtiOf, oldKeys } from './answers.ts';
import { checkAccess, DESKTOP, offerNextKey, show, signIn, TELEPHONE, TOKENS, widthOf } from './browser.ts';
import { describeConsole } from './describe-console.ts';
import { framesDuring, publishEvenly } from './frames.ts';
import { actionsOfViews, tryActions } from './roles.ts';

const INITIAL_BYTES_MAX = 180_000;

describeConsole('the console', (stage) => {
  test('loads at most 180 KB at first, and refuses a wrong token in words', async () => {
    const view = await openView(stage.browser, stage.url);
    let bytes = 0;
    view.page.on('requestfinished', async (request) => {
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      bytes += responseBodySize + responseHeadersSize;
    });
    const script = view.page.waitForResponse((answer) => answer.url().endsWith('.js'));
    await view.page.goto('/console/', { waitUntil: 'networkidle' });
    const headers = (await script).headers();
    assert.equal(headers['cache-control'], 'public, max-age=31536000, immutable');
    // A browser takes br over TLS, and on the machine itself.
    assert.match(headers['content-encoding'] ?? '', /^(br|gzip)$/);
    assert.ok(bytes > 10_000 && bytes <= INITIAL_BYTES_MAX, `${bytes} bytes`);
    assert.deepEqual(await breaches(view.page), []);
    assert.deepEqual(view.complaints, []);
    await view.page.getByLabel('Operator token').fill('wrong');
    await view.page.getByRole('button', { name: 'Sign in' }).click();
    await view.page.getByRole('alert').getByText('not one of "operator.tokens"').waitFor();
    await view.context.close();
  });

  test('a link with a token signs in, and the token does not stay in the address', async () => {
    const view = await openView(stage.browser, stage.url);
    await view.page.goto(`/console/sign-in#token=${TOKENS.viewer}`);
    await view.page.getByRole('heading', { level: 1, name: 'Health' }).waitFor();
    assert.equal(new URL(view.page.url()).hash, '');
    await view.page.goBack();
    assert.doesNotMatch(view.page.url(), /token/);
    assert.deepEqual(view.complaints, []);
    await view.context.close();
  });

  // Every view: console.long.test.ts.
  test('axe finds nothing in the largest views, light and dark, and none is wider than a telephone', async () => {
    const { page, complaints } = stage.admin;
    for (const path of ['/', '/tpps/tpp-down', `/notifications?open=${stage.scene.acknowledged}`, '/live']) {
      await show(stage.admin, path);
      await checkAccess(stage.admin, path);
      await page.setViewportSize(TELEPHONE);
      await until(async () => (await widthOf(stage.admin)) === TELEPHONE.width, `${path} is as wide as the telephone`);
      await page.setViewportSize(DESKTOP);
      assert.deepEqual(complaints.splice(0), [], path);
    }
    await page.setViewportSize(TELEPHONE);
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('link', { name: 'Signing keys' }).click();
    await page.getByRole('heading', { name: 'Signing keys', level: 1 }).waitFor();
    await page.setViewportSize(DESKTOP);
  });

  test('health tells which TPP is down, and leads to it', async () => {
    const { page } = stage.admin;
    await show(stage.admin, '/');
    await page.getByRole('status', { name: 'State of the service' }).getByText('Needs attention').waitFor();
    await page.getByText('Last attempt: refused with 500.').waitFor();
    // Certificates of the tests live for an hour.
    const expiring = page.getByRole('listitem').filter({ hasText: 'A certificate expires: api.tls.certificateFile.' });
    await expiring.getByText('tidings doctor --config').waitFor();
    await expiring.getByRole('link', { name: 'Certificates' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'tpp-down' }).count(), 1, 'its alert is not listed again');
    await page.getByRole('row', { name: /the one that answers running .*Node\.js/ }).waitFor();
    await page.getByRole('link', { name: 'tpp-down' }).click();
    await page.getByRole('heading', { name: 'tpp-down', level: 1 }).waitFor();
    await page.getByRole('link', { name: 'retry policy' }).click();
    await page.getByText('2 retries, after 10 ms, 20 ms').waitFor();
  });

  test('an alert that an instance cannot sign turns the light red, and leads to the keys', async () => {
    const { page } = stage.admin;
    await page.route('**/operator/v1/alerts?*', (route) => route.fulfill({ json: alertsOfService() }));
    await show(stage.admin, '/');
    const light = page.getByRole('status', { name: 'State of the service' });
    await light.getByText('Not working').waitFor();
    await light.getByText('host:8444 cannot sign.').waitFor();
    const row = page.getByRole('listitem').filter({ hasText: 'It lacks the key bank-2.' });
    await row.getByText('for 5 min').waitFor();
    await row.getByText('tidings keys list').waitFor();
    assert.deepEqual(await breaches(page), []);
    await row.getByRole('link', { name: 'Signing keys' }).click();
    await page.getByRole('heading', { name: 'Signing keys', level: 1 }).waitFor();
    await page.unroute('**/operator/v1/alerts?*');
  });

  test('an administrator adds a TPP, and a second one of the same id is refused in words', async () => {
    const { page } = stage.admin;
    await show(stage.admin, '/tpps');
    for (const answer of ['tpp-new is registered.', 'is registered already']) {
      await page.getByRole('button', { name: 'Add a TPP' }).click();
      const dialog = page.getByRole('dialog');
      for (const [label, value] of [
        ['client_id', 'tpp-new'],
        ['Organisation id', 'org-new'],
        ['Software statement id', 'software-new'],
        ['JWKS URL', 'https://keystore.example/new.jwks'],
      ] as const) {
        await dialog.getByLabel(label, { exact: true }).fill(value);
      }
      assert.deepEqual(await breaches(page), []);
      await dialog.getByRole('button', { name: 'Save' }).click();
      await dialog.getByText(answer).first().waitFor();
      await page.keyboard.press('Escape');
    }
    await page.getByRole('row', { name: /tpp-new.*not registered/ }).waitFor();
    await page.getByRole('row', { name: /tpp-good.*healthy.*100 %/ }).waitFor();
    await page.getByRole('row', { name: /tpp-down.*unresponsive.* 0 %/ }).waitFor();
  });

  test('the keys of a TPP are shown with when they were fetched, and why the last fetch failed', async () => {
    const { page } = stage.admin;
    await show(stage.admin, '/tpps/tpp-good?tab=keys');
    await page.getByRole('row', { name: /usable/ }).waitFor();
    await show(stage.admin, '/tpps/tpp-new?tab=keys');
    await page.getByText('not yet: keys are fetched when a signature is verified').waitFor();
    await page.route('**/tpps/tpp-new/keys', (route) => route.fulfill({ json: oldKeys() }));
    await show(stage.admin, '/tpps/tpp-new?tab=keys');
    await page.getByText('The last fetch failed: the JWKS was answered with status 503.').waitFor();
    await page.getByText('5 min ago').waitFor();
    await page.getByText('Too old since').waitFor();
    await page.getByRole('row', { name: /two.*left out its alg is not PS256/ }).waitFor();
    assert.deepEqual(await breaches(page), []);
    await page.unroute('**/tpps/tpp-new/keys');
  });

  test('the next signing key is announced, and may not sign yet', async () => {
    const { page } = stage.admin;
    offerNextKey(stage.scene);
    await show(stage.admin, '/signing-keys');
    await page.getByRole('button', { name: 'Announce the next key' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Announce the next key' }).click();
    await page.getByText('bank-signing-2 is announced.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'bank-signing-2' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Rotate to this key' }).isDisabled(), true);
    assert.match(String(await page.getByRole('listitem').filter({ hasText: 'this is next' }).innerText()), /^Wait/);
  });

  test('a notification is drawn step by step, and its signature is verified here', async () => {
    const { page } = stage.admin;
    await show(stage.admin, `/notifications/${stage.scene.acknowledged}`);
    for (const step of ['Publish event', 'Sign the SET', 'Attempt 1: POST the SET', 'acknowledged (202)']) {
      await page.getByText(step, { exact: false }).first().waitFor();
    }
    await page.getByText('signature verified with key bank-signing-1').waitFor();
    const [evidence] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download evidence' }).click(),
    ]);
    assert.equal(evidence.suggestedFilename(), `${stage.scene.acknowledged}.json`);
    assert.equal(await evidence.failure(), null);
  });

  test('a search by the id of an event, and filters that stand in the address', async () => {
    const { page } = stage.admin;
    await show(stage.admin, '/notifications');
    const field = page.getByLabel('Search');
    await field.fill('event-1');
    await field.press('Enter');
    await page.waitForURL('**/notifications?id=event-1');
    await page.getByText('1 notification', { exact: true }).waitFor();
    await field.fill('client:tpp-down');
    await field.press('Enter');
    await page.getByText('No notification is as the filter says.').waitFor();
    await page.getByRole('button', { name: 'Remove id:event-1' }).click();
    await page.getByText('1 notification', { exact: true }).waitFor();
    await page.getByText('tidings notifications find --client tpp-down').waitFor();
  });

  test('redelivery counts before it asks, and says what came of it', async () => {
    const { page } = stage.admin;
    await show(stage.admin, `/notifications/${stage.scene.acknowledged}`);
    await page.getByRole('button', { name: 'Redeliver' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 notification would be sent again.').waitFor();
    await dialog.getByText(`tidings redeliver ${stage.scene.acknowledged}`).waitFor();
    assert.deepEqual(await breaches(page), []);
    await dialog.getByRole('button', { name: 'Redeliver' }).click();
    await dialog.getByText('1 notification scheduled for redelivery').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.reload();
    await page.getByText('Attempt 2: POST the SET').waitFor();
  });

  test('a TPP is suspended and resumed, and the audit shows what changed', async () => {
    const { page } = stage.admin;
    for (const [verb, done] of [
      ['Suspend', 'is suspended.'],
      ['Resume', 'is resumed.'],
    ] as const) {
      await show(stage.admin, '/tpps/tpp-good');
      await page.getByRole('button', { name: verb }).click();
      await page.getByRole('dialog').getByRole('button', { name: verb }).click();
      await page.getByRole('dialog').getByText(`tpp-good ${done}`).waitFor();
      await page.getByRole('button', { name: 'Close' }).click();
    }
    await show(stage.admin, '/audit?action=tpp-suspended');
    await page.getByText('What changed').first().click();
    await page
      .getByRole('row', { name: /isSuspended false true/ })
      .first()
      .waitFor();
  });

  test('live follows what happens, and pauses', async () => {
    const { page } = stage.admin;
    // Of one TPP, because other things happen meanwhile too, such as probes of another.
    await show(stage.admin, '/live?client=tpp-polls');
    await page.getByText('following').waitFor();
    await stage.scene.bank.publishAll(Array.from({ length: 500 }, () => 'tpp-polls'));
    await page.getByText('500 entries held').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await stage.scene.bank.publish('tpp-polls');
    await page.getByText('1 waiting while paused').waitFor();
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('501 entries held').waitFor();
  });

  test('live draws on while 500 events a second come', async () => {
    const { page } = stage.admin;
    await show(stage.admin, '/live');
    await page.getByText('following').waitFor();
    let published = 0;
    const { perSecond, longestMs } = await framesDuring(page, async () => {
      published = await publishEvenly(stage.scene.bank, 500, 2);
    });
    // What else happens meanwhile, such as a probe, is an entry too.
    const held = async () => {
      const [, count = ''] = /([\d,]+) entries held/.exec(await page.getByText(/ entries held/).innerText()) ?? [];
      return Number(count.replaceAll(',', ''));
    };
    await until(async () => (await held()) >= published, `${published} entries are held`);
    // Of 60, on processors that other tests use too: that it goes on is tested here, how smoothly by "npm run bench -- console".
    assert.ok(perSecond > 5, `${perSecond} frames a second, the longest ${longestMs} ms`);
  });

  test('ten thousand notifications scroll like ten', async () => {
    const { page } = stage.admin;
    const pages = 5;
    await page.route('**/operator/v1/notifications?*', async (route) => {
      const number = Number(new URL(route.request().url()).searchParams.get('after') ?? 0);
      await route.fulfill({ json: foundPage(number, number + 1 < pages) });
    });
    await show(stage.admin, '/notifications');
    const list = page.getByRole('region', { name: 'Notifications that were found' });
    const { perSecond } = await framesDuring(page, async () => {
      for (let held = 0; held < pages * FOUND_PAGE; ) {
        await list.press('End');
        held = Number((await page.getByText(/^[\d,]+ notifications/).innerText()).replace(/\D/g, ''));
      }
    });
    assert.ok(perSecond > 5, `${perSecond} frames a second`);
    await list.press('End');
    await page.getByText(jtiOf(pages * FOUND_PAGE - 1)).waitFor();
    assert.ok((await list.getByRole('listitem').count()) < 100, 'only what is seen is in the document');
    await page.unroute('**/operator/v1/notifications?*');
  });

  test('system shows when certificates expire, and the effective settings', async () => {
    const { page } = stage.admin;
    await show(stage.admin, '/system');
    await page.getByRole('row', { name: /soon in .*api\.tls\.certificateFile/ }).waitFor();
    await page.getByLabel('Search settings').fill('retriesMax');
    await page.getByRole('row', { name: 'retry.retriesMax 2 file' }).waitFor();
  });

  // Every role: console.long.test.ts.
  test('an operator is shown the actions of that role and no others, and the API refuses the others', async () => {
    await stage.scene.bank.operate('POST', '/operator/v1/tpps/tpp-polls/suspend');
    await tryActions(stage.browser, stage.url, 'operator', actionsOfViews(stage.scene.acknowledged));
    await stage.scene.bank.operate('POST', '/operator/v1/tpps/tpp-polls/resume');
  });

  test('a session whose token is revoked ends in words, and goes on where it was', async () => {
    const { bank } = stage.scene;
    const { operator } = bank.config;
    const view = await openView(stage.browser, stage.url);
    await signIn(view, 'viewer', '/console/audit');
    await view.page.getByRole('heading', { name: 'Audit', level: 1 }).waitFor();
    bank.reread.operator = { ...operator, tokens: operator.tokens.filter(({ role }) => role !== 'viewer') };
    await bank.service.reload();
    await view.page.getByRole('link', { name: 'Health' }).click();
    await view.page.getByLabel('Operator token').waitFor();
    bank.reread.operator = operator;
    await bank.service.reload();
    await view.page.getByLabel('Operator token').fill(TOKENS.viewer);
    await view.page.getByRole('button', { name: 'Sign in' }).click();
    await view.page.getByRole('heading', { level: 1, name: 'Health' }).waitFor();
    await view.page.getByRole('button', { name: 'Sign out' }).click();
    await view.page.getByLabel('Operator token').waitFor();
    await view.page.goto('/console/system');
    await view.page.getByLabel('Operator token').waitFor();
    await view.context.close();
  });

  test('an outage ends: a TPP that is up again is probed, and all is quiet', async () => {
    const { page } = stage.admin;
    stage.scene.down.status = 202;
    // Certificates of the tests expire soon, which is an alert.
    await page.route('**/operator/v1/alerts?*', (route) => route.fulfill({ json: { alerts: [], destinations: [] } }));
    await show(stage.admin, '/');
    await page.getByRole('link', { name: 'tpp-down' }).click();
    await page.getByRole('button', { name: 'Probe now' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 notification is awaiting.').waitFor();
    await dialog.getByRole('button', { name: 'Probe now' }).click();
    await dialog.getByText('A notification is being tried').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('healthy').waitFor({ timeout: 10_000 });
    await page.getByRole('link', { name: 'Health' }).click();
    await page.getByRole('status', { name: 'State of the service' }).getByText('All quiet').waitFor();
  });

  test('an instance that is gone is reported, what was read stays, and the console goes on with the next one', async () => {
    const { page } = stage.admin;
    const { bank } = stage.scene;
    await page.clock.install();
    await show(stage.admin, '/');
    await bank.service.stop();
    await page.clock.fastForward(5000);
    const note = page.getByRole('alert').getByText('Offline: the service cannot be reached.');
    await note.waitFor({ timeout: 12_000 });
    await page.getByRole('status', { name: 'State of the service' }).waitFor();
    await bank.another(undefined, { operator: { ...bank.config.operator, port: Number(new URL(stage.url).port) } });
    await page.clock.fastForward(5000);
    await note.waitFor({ state: 'detached', timeout: 12_000 });
    await page.getByRole('link', { name: 'TPPs' }).click();
    await page.getByRole('row', { name: /tpp-good/ }).waitFor();
  });
});
