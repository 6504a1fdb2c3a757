import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import type { Browser } from 'playwright-core';
import { buildConsole } from '../../scripts/build-console.ts';
import { breaches, CHROMIUM, launch, openView } from '../support/browser.ts';
import { type Running, start } from '../support/command.ts';

// The console of "npm start": a link that signs in once, on a plain loopback address, and what a newcomer does in it.

const skip = CHROMIUM === undefined && 'there is no Chromium here (apt-get install chromium)';

describe('the console of the sandbox', { skip, timeout: 300_000 }, () => {
  const folder = temporaryFolder();
  let sandbox: Running;
  let browser: Browser;
  let link = '';
  let origin = '';

  before(async () => {
    buildConsole();
    sandbox = start(['sandbox', '--json', '--port', '0', '--state', folder.path], { patienceMs: 100_000 });
    [browser, link] = await Promise.all([launch(), nextLink(/"console"/)]);
    origin = new URL(link).origin;
  });
  after(async () => {
    await browser?.close();
    sandbox?.child.kill('SIGINT');
    const { code } = await sandbox.ended;
    folder.remove();
    assert.equal(code, 0);
  });

  async function nextLink(pattern: RegExp): Promise<string> {
    return JSON.parse(await sandbox.line(pattern)).console;
  }

  /** Sends a request as a program or a browser does; `fetch` sets no `Host`. */
  async function send(path: string, headers: Record<string, string> = {}, method = 'GET') {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string; cookies: string[] }>();
    request(new URL(path, origin), { method, headers }, async (answer) => {
      const { statusCode: status = 0, headers: answered } = answer;
      resolve({ status, body: await text(answer), cookies: answered['set-cookie'] ?? [] });
    })
      .on('error', reject)
      .end();
    return promise;
  }

  test('answers at its own address alone, so that no other name can be made to lead to it', async () => {
    assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/open\/[\w-]{32}$/);
    for (const host of ['evil.example', `evil.example:${new URL(link).port}`, '127.0.0.1', '0.0.0.0']) {
      for (const path of ['/console/', '/operator/v1/status', new URL(link).pathname, '/sandbox/actions']) {
        assert.equal((await send(path, { host })).status, 421, `${host} ${path}`);
      }
    }
    assert.equal((await send('/console/', { host: `localhost:${new URL(link).port}` })).status, 200);
    assert.equal((await send('/operator/v1/status')).status, 401);
    assert.equal((await send('/metrics')).status, 404);
    assert.equal((await send('/open/abc')).status, 404);
  });

  test('a newcomer makes an event happen, sees why attempts failed, downloads evidence and finds the TPP that is down', async () => {
    // What a browser fetches in advance does not use the link up.
    assert.equal((await send(new URL(link).pathname, { 'sec-purpose': 'prefetch' })).status, 503);
    const view = await openView(browser, origin);
    const { page } = view;
    await page.goto(link);
    await page.getByRole('heading', { level: 1, name: 'Health' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/console/');

    await page.getByRole('button', { name: 'Make something happen' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'A customer revokes a consent' }).waitFor();
    assert.deepEqual(await breaches(page), []);
    await dialog.getByRole('button', { name: 'the TPP fails twice' }).click();
    await page.getByText('refused with 500').waitFor();
    await page.getByText('refused with 400: authentication_failed').waitFor();
    await page.getByText('acknowledged (202)').waitFor();
    await page.getByText('signature verified with key').waitFor();
    const [evidence] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download evidence' }).click(),
    ]);
    assert.equal(await evidence.failure(), null);

    await page.getByRole('link', { name: 'Health' }).click();
    await page.getByText('Last attempt: refused with 503.').waitFor();
    await page.getByRole('link', { name: 'tidings-failing-tpp' }).click();
    await page.getByRole('heading', { level: 1, name: 'tidings-failing-tpp' }).waitFor();
    await page.getByText('failing', { exact: true }).waitFor();
    assert.deepEqual(view.complaints, []);
    await view.context.close();
  });

  test('a link that was used signs nobody in, and a new one is printed; its cookie is for this listener alone', async () => {
    const { pathname } = new URL(link);
    const used = await send(pathname);
    assert.equal(used.status, 410);
    assert.deepEqual(used.cookies, []);
    // Following it once more prints no other one while the new one is good.
    assert.equal((await send(pathname)).status, 410);
    const next = await nextLink(new RegExp(`"console":"(?!${link})`));
    assert.equal(sandbox.output().stdout.match(/"console":/g)?.length, 2);
    const first = await send(new URL(next).pathname);
    assert.equal(first.status, 303);
    const [cookie = ''] = first.cookies;
    assert.match(cookie, /^tidings-sandbox-\d+=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    const session = { cookie: cookie.split(';')[0] ?? '' };
    assert.equal((await send('/operator/v1/status', session)).status, 200);
    assert.equal((await send(new URL(next).pathname, session)).status, 303, 'whoever is signed in is led on');
  });

  test('staff sign in at the identity provider of the sandbox, each with a role of their own', async () => {
    const view = await openView(browser, origin);
    const { page } = view;
    for (const [who, name, roles, mayAct] of [
      ['Carol, viewer', 'Carol', 'viewer', false],
      ['Alice, administrator', 'Alice', 'administrator', true],
    ] as const) {
      await page.goto('/console/tpps');
      await page.getByRole('link', { name: "Sign in with the bank's identity provider" }).click();
      assert.deepEqual(await breaches(page), []);
      await page.getByRole('button', { name: who }).click();
      await page.getByRole('heading', { level: 1, name: 'TPPs' }).waitFor();
      const session = page.getByRole('region', { name: 'Session' });
      assert.match(await session.innerText(), new RegExp(`${name}\\s+${roles}`));
      await page.getByRole('row', { name: /tidings-sample-tpp/ }).waitFor();
      for (const action of ['Add a TPP', 'Make something happen']) {
        const button = page.getByRole('button', { name: action });
        if (mayAct) await button.waitFor();
        else assert.equal(await button.count(), 0);
      }
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Operator token').waitFor();
    }
    assert.deepEqual(view.complaints, []);
    await view.context.close();
  });

  test('an action is for the console with a session, and for no page of elsewhere', async () => {
    const own = { 'tidings-console': 'active', 'sec-fetch-site': 'same-origin' };
    const path = '/sandbox/actions/payment-settled';
    assert.equal((await send(path, own, 'POST')).status, 401);
    assert.equal((await send('/sandbox/actions', own)).status, 401);
    for (const headers of [
      { ...own, 'sec-fetch-site': 'same-site' },
      { ...own, 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-origin' },
    ]) {
      assert.equal((await send(path, headers, 'POST')).status, 403, JSON.stringify(headers));
    }
  });
});
