import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, beforeEach, describe, test } from 'node:test';
import {
  listenOn,
  makeAuthority,
  makeSigningKey,
  sendJson,
  sha256Hex,
  signCompact,
  temporaryFolder,
} from '@tidings/testing';
import { startBank } from '../support/bank.ts';

// Sign-in to the console at an identity provider: authorisation code with PKCE.

const CLIENT = 'tidings-console';
const SECRET = 'a-secret-of-the-tests';
const REDIRECT = 'https://ops.bank.example/console/sign-in/callback';

/** A provider that lets everybody in, and checks what it is sent at the token endpoint. */
const folder = temporaryFolder();
const authority = await makeAuthority('Staff root');
const key = makeSigningKey('id-1');
const transport = await authority.issue({ name: 'identity provider' });
writeFileSync(join(folder.path, 'staff.pem'), authority.certificatePem);
writeFileSync(join(folder.path, 'secret'), `${SECRET}\n`);
let issuer = '';
let roles: readonly string[] = [];
/** Claims of the ID token that differ. */
let idClaims: Record<string, unknown> = {};
const asked = new Map<string, { readonly challenge: string; readonly nonce: string }>();

function sign(claims: object, typ: string): string {
  const nowSeconds = Math.floor(bank.clock.nowMs() / 1000);
  const common = { iss: issuer, sub: 'alice', iat: nowSeconds, exp: nowSeconds + 300 };
  return signCompact({ alg: 'PS256', kid: 'id-1', typ }, { ...common, ...claims }, key.keyPem);
}

async function giveTokens(body: URLSearchParams, response: ServerResponse): Promise<void> {
  const found = asked.get(body.get('code') ?? '');
  const challenge = createHash('sha256')
    .update(body.get('code_verifier') ?? '')
    .digest('base64url');
  const isClient = body.get('client_id') === CLIENT && body.get('client_secret') === SECRET;
  if (!isClient || found?.challenge !== challenge || body.get('redirect_uri') !== REDIRECT) {
    return sendJson(response, { error: 'invalid_grant' }, 400);
  }
  const idToken = sign({ aud: CLIENT, nonce: found.nonce, ...idClaims }, 'JWT');
  const accessToken = sign({ aud: 'tidings', roles, name: 'Alice' }, 'at+jwt');
  sendJson(response, { access_token: accessToken, id_token: idToken, token_type: 'Bearer', expires_in: 300 });
}

const provider = createServer({ cert: transport.certificatePem, key: transport.keyPem }, async (request, response) => {
  if (request.url === '/jwks') return sendJson(response, { keys: [key.jwk] });
  if (request.url === '/token') return giveTokens(new URLSearchParams(await text(request)), response);
  sendJson(response, {
    ...{ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
    ...{ jwks_uri: `${issuer}/jwks`, response_types_supported: ['code'], subject_types_supported: ['public'] },
    id_token_signing_alg_values_supported: ['PS256'],
  });
});
issuer = `https://127.0.0.1:${await listenOn(provider)}`;

const bank = await startBank({
  clients: [],
  settings: {
    operator: {
      oidc: {
        ...{ issuer, audience: 'tidings', jwksUrl: `${issuer}/jwks`, caFile: join(folder.path, 'staff.pem') },
        ...{ nameClaim: 'name', roles: { viewer: ['notify-viewer'], administrator: ['notify-admin'] } },
        signIn: {
          ...{ clientId: CLIENT, clientSecretFile: join(folder.path, 'secret'), redirectUrl: REDIRECT },
          idTokenAlgorithm: 'PS256',
        },
      },
    },
  },
});
after(async () => {
  await bank.stop();
  provider.closeAllConnections();
  provider.close();
  folder.remove();
});
beforeEach(() => {
  roles = ['notify-admin', 'of-no-use-here'];
  idClaims = {};
  bank.clock.aheadMs = 0;
});

const { operatorUrl } = bank.service;
const own = { 'sec-fetch-site': 'same-origin', 'tidings-console': 'active' };
const get = (path: string, cookie = '') =>
  fetch(`${operatorUrl}${path}`, { headers: { ...own, cookie }, redirect: 'manual' });

function cookieOf(answer: Response): string {
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

/** Begins a sign-in, as the browser and the provider do. @returns the URL that the provider sends back to, below the listener */
async function begin(): Promise<{ readonly cookie: string; readonly back: string }> {
  const answer = await get('/console/sign-in/start');
  assert.equal(answer.status, 302, await answer.text());
  assert.match(answer.headers.getSetCookie()[0] ?? '', /; Path=\/console\/sign-in; HttpOnly; Secure; SameSite=Lax/);
  const url = new URL(answer.headers.get('location') ?? '');
  assert.equal(`${url.origin}${url.pathname}`, `${issuer}/authorize`);
  const { searchParams } = url;
  const given = (name: string) => searchParams.get(name) ?? '';
  const expected = { client_id: CLIENT, response_type: 'code', redirect_uri: REDIRECT, code_challenge_method: 'S256' };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, given(name)])), expected);
  const code = sha256Hex(given('state'));
  asked.set(code, { challenge: given('code_challenge'), nonce: given('nonce') });
  const back = new URLSearchParams({ code, state: given('state'), iss: issuer });
  return { cookie: cookieOf(answer), back: `/console/sign-in/callback?${back}` };
}

async function signIn(): Promise<string> {
  const { cookie, back } = await begin();
  const answer = await get(back, cookie);
  assert.equal(answer.headers.get('location'), '/console/');
  return cookieOf(answer);
}

const statusWith = async (cookie: string) => (await get('/operator/v1/status', cookie)).status;

describe('sign-in at the identity provider', { timeout: 30_000 }, () => {
  test('gives a session with the name and the roles of the provider', async () => {
    const cookie = await signIn();
    const session = JSON.parse(await (await get('/console/session', cookie)).text());
    assert.equal(session.name, 'Alice');
    assert.deepEqual(session.roles, ['administrator']);
    assert.equal(session.authenticatedBy, 'oidc');
    assert.equal(await statusWith(cookie), 200);
  });

  test('the session outlives its access token, until it is idle', async () => {
    const cookie = await signIn();
    bank.clock.aheadMs = 1_200_000;
    assert.equal(await statusWith(cookie), 200);
    bank.clock.aheadMs = 1_900_000;
    assert.equal(await statusWith(cookie), 401);
  });

  test('a mapping that was taken away takes the role from sessions that there are', async () => {
    const cookie = await signIn();
    const { operator } = bank.config;
    const { oidc } = operator;
    assert.ok(oidc !== undefined);
    bank.reread.operator = { ...operator, oidc: { ...oidc, roles: { viewer: ['notify-viewer'] } } };
    await bank.service.reload();
    assert.equal(await statusWith(cookie), 403);
    bank.reread.operator = operator;
    await bank.service.reload();
    assert.equal(await statusWith(cookie), 200);
  });

  test('whoever has no role here gets no session, and learns why', async () => {
    roles = ['of-no-use-here'];
    const { cookie, back } = await begin();
    const answer = await get(back, cookie);
    assert.equal(answer.headers.get('location'), '/console/sign-in?problem=no-role');
    assert.deepEqual(answer.headers.getSetCookie(), []);
  });

  test('an answer to a sign-in that this browser did not begin, or another one, is refused', async () => {
    const [first, second] = [await begin(), await begin()];
    for (const [cookie, back, problem] of [
      ['', first.back, 'expired'],
      [second.cookie, first.back, 'refused'],
      [first.cookie, first.back.replace(/code=\w+/, 'code=stolen'), 'refused'],
      [first.cookie, '/console/sign-in/callback?error=access_denied', 'refused'],
    ] as const) {
      const answer = await get(back, cookie);
      assert.equal(answer.headers.get('location'), `/console/sign-in?problem=${problem}`, back);
      assert.deepEqual(answer.headers.getSetCookie(), []);
    }
    bank.clock.aheadMs = 700_000;
    assert.match((await get(first.back, first.cookie)).headers.get('location') ?? '', /problem=expired$/);
  });

  test('an ID token of another sign-in, issuer or client is refused', async () => {
    for (const claims of [{ nonce: 'of another one' }, { iss: 'https://evil.example' }, { aud: 'another client' }]) {
      idClaims = claims;
      const { cookie, back } = await begin();
      const answer = await get(back, cookie);
      assert.equal(answer.headers.get('location'), '/console/sign-in?problem=refused', JSON.stringify(claims));
    }
  });

  test('a cookie of a sign-in that is pending is no session', async () => {
    const { cookie } = await begin();
    assert.equal(await statusWith(cookie.replace('tidings-sign-in', 'tidings-session')), 401);
  });

  test('the page learns that there is a provider', async () => {
    assert.deepEqual(JSON.parse(await (await get('/console/session')).text()), {
      isSignedIn: false,
      hasIdentityProvider: true,
    });
  });
});
