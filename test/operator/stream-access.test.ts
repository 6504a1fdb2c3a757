import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { listenOn, makeAuthority, makeSigningKey, signCompact } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { followStream } from '../support/event-stream.ts';

// Tokens and roles that end or are taken away, by a reload, while a live stream is followed with them.

const folder = mkdtempSync(join(tmpdir(), 'tidings-stream-access-'));
const staff = await makeAuthority('Staff root');
const providerKey = makeSigningKey('id-1');
writeFileSync(join(folder, 'staff.pem'), staff.certificatePem);
const { certificatePem: cert, keyPem: key } = await staff.issue({ name: 'identity provider' });
const provider = createServer({ cert, key }, (_request, response) => {
  response.end(JSON.stringify({ keys: [providerKey.jwk] }));
});
await listenOn(provider);

const ISSUER = 'https://id.bank.example/realms/staff';
const VIEWER = 'a-viewer-of-the-tests-0123456789';
const sha256 = createHash('sha256').update(VIEWER).digest('hex');
const bank = await startBank({
  clients: [],
  settings: {
    operator: {
      oidc: {
        ...{ issuer: ISSUER, audience: 'tidings', caFile: join(folder, 'staff.pem'), rolesClaim: 'roles' },
        jwksUrl: `https://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`,
        roles: { viewer: ['notify-viewer'], administrator: ['notify-admin'] },
      },
    },
  },
});
after(async () => {
  await bank.stop();
  provider.closeAllConnections();
  provider.close();
  rmSync(folder, { recursive: true });
});
const { operator } = bank.config;
const viewer = { name: 'viewer', sha256, role: 'viewer' } as const;
const { operatorUrl } = bank.service;
const follow = (token: string) => followStream(operatorUrl, '', undefined, token);

async function reload(changed: Partial<typeof operator>): Promise<void> {
  bank.reread.operator = { ...operator, tokens: [...operator.tokens, viewer], ...changed };
  await bank.service.reload();
}

async function statusWith(token: string, path = '/operator/v1/status'): Promise<number> {
  return (await fetch(`${operatorUrl}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;
}

function oidcToken(claims: object = {}): string {
  const nowSeconds = Date.now() / 1000;
  const header = { alg: 'PS256', kid: 'id-1', typ: 'at+jwt' };
  const common = { iss: ISSUER, aud: 'tidings', sub: 'alice', iat: nowSeconds - 1, exp: nowSeconds + 300 };
  return signCompact(header, { ...common, roles: ['notify-viewer'], ...claims }, providerKey.keyPem);
}

beforeEach(() => reload({}));

describe('operator tokens at a reload', { timeout: 30_000 }, () => {
  test('one that was added is accepted, and one that was taken away is 401 from then on', async () => {
    assert.equal(await statusWith(VIEWER), 200);
    await reload({ tokens: operator.tokens });
    assert.equal(await statusWith(VIEWER), 401);
    await reload({});
    assert.equal(await statusWith(VIEWER), 200);
  });

  test('a role that was taken away allows nothing any more', async () => {
    await reload({ tokens: [...operator.tokens, { ...viewer, role: 'publisher' }] });
    assert.equal(await statusWith(VIEWER), 403);
  });

  test('a value of the identity provider that is mapped no longer gives no role', async () => {
    const { oidc } = operator;
    assert.ok(oidc !== undefined);
    assert.equal(await statusWith(oidcToken()), 200);
    await reload({ oidc: { ...oidc, roles: { administrator: ['notify-admin'] } } });
    assert.equal(await statusWith(oidcToken()), 403);
  });

  test('an identity provider that is another one, or gone, needs a restart: nothing is taken over', async () => {
    const { oidc, ...without } = operator;
    assert.ok(oidc !== undefined);
    for (const changed of [
      { ...without, tokens: [] },
      { ...operator, tokens: [], oidc: { ...oidc, audience: 'x' } },
    ]) {
      bank.reread.operator = changed;
      await assert.rejects(bank.service.reload(), /"operator\.oidc" changed in more than its roles; restart/);
    }
    assert.equal(await statusWith(VIEWER), 200);
  });
});

describe('a live stream', { timeout: 30_000 }, () => {
  test('ends when its token is taken away, and those of others go on', async () => {
    const [mine, other] = [await follow(VIEWER), await followStream(operatorUrl)];
    await reload({ tokens: operator.tokens });
    await mine.ended;
    await other.close();
    assert.match(bank.log(), /"operator":"viewer".*"follows the stream no longer"/);
  });

  test('ends when the role of its token is not enough any more, and goes on when it is', async () => {
    const reader = await follow(VIEWER);
    await reload({ tokens: [...operator.tokens, { ...viewer, role: 'operator' }] });
    let isEnded = false;
    void reader.ended.then(() => {
      isEnded = true;
    });
    assert.equal(await statusWith(VIEWER), 200);
    assert.equal(isEnded, false);
    await reload({ tokens: [...operator.tokens, { ...viewer, role: 'publisher' }] });
    await reader.ended;
  });

  test('ends when no role is mapped for its caller any more', async () => {
    const { oidc } = operator;
    assert.ok(oidc !== undefined);
    const reader = await follow(oidcToken());
    await reload({ oidc: { ...oidc, roles: { administrator: ['notify-admin'] } } });
    await reader.ended;
  });

  test('ends at the exp of its token, although clock skew would let it in still', async () => {
    const exp = Date.now() / 1000 + 0.7;
    const reader = await follow(oidcToken({ exp }));
    await reader.ended;
    assert.ok(Date.now() / 1000 >= exp);
    assert.ok(Date.now() / 1000 < exp + 10, 'the clock skew');
  });
});
