import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, beforeEach, describe, test } from 'node:test';
import { EncryptJWT } from 'jose';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';

// Sessions of the console: a cookie in place of a bearer token, and what may not be done with it.

const VIEWER = 'a-viewer-of-the-tests-0123456789';
const IDLE_MS = 1_800_000;
const MAX_MS = 43_200_000;

const bank = await startBank({
  clients: ['tpp-a'],
  settings: { operator: { unauthenticatedPerMinutePerAddressMax: 20 } },
});
after(() => bank.stop());
const { operatorUrl } = bank.service;
const { operator } = bank.config;
const sha256 = createHash('sha256').update(VIEWER).digest('hex');
const viewer = { name: 'viewer', sha256, role: 'viewer' } as const;
const own = { 'sec-fetch-site': 'same-origin', 'tidings-console': 'active' };

interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

function send(path: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Response> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return fetch(`${operatorUrl}${path}`, { method, headers: { ...type, ...headers }, body: body ?? null });
}

/** @returns the cookie as a browser sends it */
async function signIn(token: string): Promise<string> {
  const answer = await send('/console/session', { method: 'POST', headers: own, body: JSON.stringify({ token }) });
  assert.equal(answer.status, 200, await answer.text());
  return cookieOf(answer);
}

function cookieOf(answer: Response): string {
  const [cookie = ''] = answer.headers.getSetCookie();
  assert.match(cookie, /; Path=\/; HttpOnly; Secure; SameSite=Strict; Max-Age=\d+$/);
  return cookie.split(';')[0] ?? '';
}

async function statusWith(cookie: string, headers: Record<string, string> = own): Promise<number> {
  return (await send('/operator/v1/status', { headers: { ...headers, cookie } })).status;
}

beforeEach(async () => {
  bank.clock.aheadMs = 0;
  bank.reread.operator = { ...operator, tokens: [...operator.tokens, viewer] };
  await bank.service.reload();
});

describe('sign-in', { timeout: 30_000 }, () => {
  test('exchanges a token for a cookie that tells nothing of it', async () => {
    const cookie = await signIn(OPERATOR_TOKEN);
    assert.match(cookie, /^tidings-session=[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.doesNotMatch(Buffer.from(cookie.replaceAll('.', ''), 'base64url').toString('latin1'), /operator-token/);
    const answer = await send('/console/session', { headers: { ...own, cookie } });
    const { name, roles, isSignedIn } = JSON.parse(await answer.text());
    assert.deepEqual({ name, roles, isSignedIn }, { name: 'tests', roles: ['administrator'], isSignedIn: true });
  });

  test('refuses a token that is not known, and limits how many are tried', async () => {
    const attempt = () => send('/console/session', { method: 'POST', headers: own, body: '{"token":"wrong"}' });
    assert.equal((await attempt()).status, 401);
    const statuses = await Promise.all(Array.from({ length: 30 }, async () => (await attempt()).status));
    assert.ok(statuses.includes(429), `${statuses}`);
    bank.clock.aheadMs = 120_000;
    assert.equal((await attempt()).status, 401);
  });

  test('a body without a token is 400', async () => {
    for (const body of ['{}', '{"token":""}', '{"token":1}', '[', JSON.stringify({ token: 'x'.repeat(5000) })]) {
      assert.equal((await send('/console/session', { method: 'POST', headers: own, body })).status, 400, body);
    }
  });

  test('another site cannot sign anybody in', async () => {
    const body = JSON.stringify({ token: OPERATOR_TOKEN });
    for (const headers of [
      { 'tidings-console': 'active', 'sec-fetch-site': 'cross-site' },
      { 'tidings-console': 'active', 'sec-fetch-site': 'same-site' },
      { 'tidings-console': 'active', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-origin' },
    ]) {
      const answer = await send('/console/session', { method: 'POST', headers, body });
      assert.equal(answer.status, 403, JSON.stringify(headers));
      assert.deepEqual(answer.headers.getSetCookie(), []);
    }
  });
});

describe('a session', { timeout: 30_000 }, () => {
  test('has the role of its token', async () => {
    const cookie = await signIn(VIEWER);
    const suspend = (headers: Record<string, string>) =>
      send('/operator/v1/tpps/tpp-a/suspend', { method: 'POST', headers: { ...headers, cookie } });
    assert.equal(await statusWith(cookie), 200);
    assert.equal((await suspend(own)).status, 403);
  });

  test('changes nothing without the header of the console, or from elsewhere', async () => {
    const cookie = await signIn(OPERATOR_TOKEN);
    const headers = [
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none', 'tidings-console': 'active' },
      { 'sec-fetch-site': 'same-site', 'tidings-console': 'active' },
      { origin: 'https://evil.example', 'tidings-console': 'active' },
    ];
    for (const each of headers) {
      const answer = await send('/operator/v1/signing-keys/reload', { method: 'POST', headers: { ...each, cookie } });
      assert.equal(answer.status, 403, JSON.stringify(each));
    }
    assert.equal(await statusWith(cookie, { 'sec-fetch-site': 'cross-site' }), 403);
    assert.equal(await statusWith(cookie, { 'sec-fetch-site': 'none' }), 200);
  });

  test('follows the stream, which ends when the token is revoked, and so do other calls', async () => {
    const cookie = await signIn(VIEWER);
    const stream = await send('/operator/v1/stream', { headers: { 'sec-fetch-site': 'same-origin', cookie } });
    assert.equal(stream.status, 200);
    bank.reread.operator = operator;
    await bank.service.reload();
    await stream.text();
    assert.equal(await statusWith(cookie), 401);
    const answer = await send('/console/session', { headers: { ...own, cookie } });
    assert.deepEqual(await answer.json(), { isSignedIn: false, hasIdentityProvider: false });
  });

  test('ends without an action of the person, and goes on with one', async () => {
    const cookie = await signIn(OPERATOR_TOKEN);
    bank.clock.aheadMs = IDLE_MS - 10_000;
    const background = await send('/operator/v1/status', {
      headers: { ...own, 'tidings-console': 'background', cookie },
    });
    assert.deepEqual(background.headers.getSetCookie(), []);
    const renewed = cookieOf(await send('/operator/v1/status', { headers: { ...own, cookie } }));
    bank.clock.aheadMs = IDLE_MS + 10_000;
    assert.equal(await statusWith(cookie), 401);
    assert.equal(await statusWith(renewed), 200);
  });

  test('ends at its longest, whatever is done', async () => {
    let cookie = await signIn(OPERATOR_TOKEN);
    for (let atMs = 0; atMs < MAX_MS; atMs += IDLE_MS / 2) {
      bank.clock.aheadMs = atMs;
      const answer = await send('/operator/v1/status', { headers: { ...own, cookie } });
      assert.equal(answer.status, 200, `${atMs}`);
      if (answer.headers.getSetCookie().length > 0) cookie = cookieOf(answer);
    }
    bank.clock.aheadMs = MAX_MS + 1000;
    assert.equal(await statusWith(cookie), 401);
  });

  test('signed out, its cookie is good for nothing', async () => {
    const cookie = await signIn(OPERATOR_TOKEN);
    const answer = await send('/console/session', { method: 'DELETE', headers: { ...own, cookie } });
    assert.equal(answer.status, 204);
    assert.match(answer.headers.getSetCookie()[0] ?? '', /^tidings-session=; .*Max-Age=0$/);
    assert.equal(await statusWith(cookie), 401);
  });

  test('a cookie that was tampered with, or is of another key, is no session', async () => {
    const cookie = await signIn(OPERATOR_TOKEN);
    const middle = Math.floor(cookie.length / 2);
    const changed = `${cookie.slice(0, middle)}${cookie[middle] === 'A' ? 'B' : 'A'}${cookie.slice(middle + 1)}`;
    for (const each of [changed, 'tidings-session=', 'tidings-session=a.b.c.d.e']) {
      assert.equal(await statusWith(each), 401);
    }
    const foreign = await new EncryptJWT({ jti: 'x', token: OPERATOR_TOKEN, startedAtMs: 0, seenAtMs: 0 })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setExpirationTime('1h')
      .encrypt(randomBytes(32));
    assert.equal(await statusWith(`tidings-session=${foreign}`), 401);
  });

  test('a bearer token goes before it', async () => {
    const cookie = await signIn(OPERATOR_TOKEN);
    const authorization = `Bearer ${VIEWER}`;
    const answer = await send('/operator/v1/signing-keys/reload', {
      method: 'POST',
      headers: { authorization, cookie },
    });
    assert.equal(answer.status, 403);
    assert.match(JSON.parse(await answer.text()).detail, /"viewer" has viewer/);
  });
});

describe('the pages', { timeout: 30_000 }, () => {
  test('come with a policy that allows nothing inline and nothing of others', async () => {
    const { headers } = await send('/console/tpps/tpp-a');
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
  });

  test('an asset that is not there, or lies elsewhere, is 404', async () => {
    for (const name of ['nothing-1234.js', '..%2Findex.html', '%2e%2e%2f%2e%2e%2fpackage.json', 'index.html']) {
      assert.equal((await send(`/console/assets/${name}`)).status, 404, name);
    }
  });
});
