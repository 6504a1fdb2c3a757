import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { listenOn, makeSigningKey, type SigningKey } from '@tidings/testing';
import { errorOf, VERSIONS } from '../support/answers.ts';
import { type Bank, OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { runCli } from '../support/cli.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';

// The keys of a TPP behind its JWKS URL: removed, revoked, too old, or not usable.

const BODY = JSON.stringify({ Data: { Version: '4.0' } });
const other = makeSigningKey('other');

interface Published {
  readonly bank: Bank;
  readonly tpp: Tpp;
  /** What the two URLs are answered with. */
  readonly answers: { keys: { status: number; body: string }; revoked: { status: number; body: string } };
}

function jwksOf(...keys: readonly SigningKey[]): { status: number; body: string } {
  return { status: 200, body: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }) };
}

/** A bank, and one TPP whose keys a server of the test publishes. */
async function publishing(t: TestContext, isRevokedListed = false): Promise<Published> {
  const bank = await startBank({ clients: ['tpp-a'], settings: { tppKeys: { caFile: 'root.pem' } } });
  t.after(() => bank.stop());
  const { certificatePem: cert, keyPem: key } = await bank.authority.issue({ name: 'keystore' });
  const answers = { keys: { status: 200, body: '' }, revoked: { status: 200, body: '{"keys":[]}' } };
  const server = createServer({ cert, key }, ({ url }, response) => {
    const { status, body } = url === '/revoked' ? answers.revoked : answers.keys;
    response.writeHead(status, { connection: 'close' }).end(body);
  });
  const port = await listenOn(server);
  t.after(() => server.close());
  const origin = `https://127.0.0.1:${port}`;
  const urls = { jwksUrl: `${origin}/keys`, ...(isRevokedListed && { revokedJwksUrl: `${origin}/revoked` }) };
  const tpp = await makeTpp(bank, 'tpp-a', { registration: { jwks: undefined, ...urls } });
  t.after(() => tpp.close());
  answers.keys = jwksOf(tpp.signing);
  return { bank, tpp, answers };
}

async function register({ tpp }: Published): Promise<number> {
  const { status } = await tpp.call('POST', 'v4.0', 'event-subscriptions', { body: BODY });
  if (status === 201) await tpp.clear();
  return status;
}

/** What the operator API tells of the keys of the TPP. */
async function heldKeys({ bank }: Published): Promise<Record<string, unknown>> {
  const { status, body } = await bank.operate('GET', '/operator/v1/tpps/tpp-a/keys');
  assert.equal(status, 200);
  return body;
}

describe('keys behind a JWKS URL', () => {
  test('are shown to the operator with when they were fetched, by which instance, and why a fetch failed', async (t) => {
    const published = await publishing(t, true);
    const { bank, tpp, answers } = published;
    const { instance, ...before } = await heldKeys(published);
    assert.deepEqual(before, { from: 'url', keys: [], certificates: [] });
    const { body } = await bank.operate('GET', '/operator/v1/instances');
    const [own] = body['instances'] as { id: string; host: string; processId: number }[];
    assert.deepEqual(instance, { id: own?.id, host: own?.host, processId: own?.processId });

    answers.keys = jwksOf(tpp.signing, other);
    answers.revoked = jwksOf(other);
    assert.equal(await register(published), 201);
    const { keys, fetchedAt, usableUntil, lastFailure } = await heldKeys(published);
    assert.deepEqual(keys, [
      { kid: tpp.signing.kid, state: 'usable' },
      { kid: other.kid, state: 'revoked' },
    ]);
    assert.equal(Date.parse(String(usableUntil)) - Date.parse(String(fetchedAt)), 3_600_000);
    assert.equal(lastFailure, undefined);

    answers.keys = { status: 503, body: '' };
    bank.clock.aheadMs += 600_000;
    assert.equal(await register(published), 201);
    const later = await heldKeys(published);
    assert.deepEqual([later['fetchedAt'], later['keys']], [fetchedAt, keys], 'what was fetched stays');
    const { at, reason } = later['lastFailure'] as { at: string; reason: string };
    assert.equal(reason, 'the JWKS was answered with status 503');
    assert.ok(at > String(fetchedAt));

    writeFileSync(join(bank.folder, 'token'), OPERATOR_TOKEN);
    const environment = {
      TIDINGS_OPERATOR_URL: bank.service.operatorUrl,
      TIDINGS_TOKEN_FILE: join(bank.folder, 'token'),
    };
    const { stdout } = await runCli(['tpps', 'show', 'tpp-a'], environment);
    assert.match(
      stdout,
      new RegExp(`^keys fetched +${fetchedAt} .*, by ${own?.host} .*: .*, other \\(revoked\\)$`, 'm'),
    );
    assert.match(stdout, /^last failed fetch .*: the JWKS was answered with status 503$/m);
  });

  test('and the certificates of the TPP, are shown with what they say of a payment service provider', async (t) => {
    const published = await publishing(t);
    const { bank, tpp, answers } = published;
    const subject = 'C=GB, 2.5.4.97=PSDGB-FCA-123456, CN=tpp-a';
    const { der } = await bank.authority.issue({ subject, psp: { type: 'eseal', roles: ['PSP_PI', 'PSP_AI'] } });
    const jwk = { ...tpp.signing.jwk, x5c: [der.toString('base64')] };
    answers.keys = { status: 200, body: JSON.stringify({ keys: [jwk] }) };
    assert.equal(await register(published), 201);
    const { certificates } = await heldKeys(published);
    const [transport, signing] = certificates as Record<string, unknown>[];
    assert.deepEqual([transport?.['use'], typeof transport?.['lastSeenAt']], ['transport', 'string']);
    const { kind, organisationIdentifier, pspRoles, authority, kid } = signing ?? {};
    assert.deepEqual(
      [kind, organisationIdentifier, pspRoles, authority, kid],
      ['OBSeal', 'PSDGB-FCA-123456', ['PSP_PI', 'PSP_AI'], 'GB-FCA', tpp.signing.kid],
    );
    writeFileSync(join(bank.folder, 'token'), OPERATOR_TOKEN);
    const environment = {
      TIDINGS_OPERATOR_URL: bank.service.operatorUrl,
      TIDINGS_TOKEN_FILE: join(bank.folder, 'token'),
    };
    const { stdout } = await runCli(['tpps', 'show', 'tpp-a'], environment);
    assert.match(stdout, /^transport certificates +CN=.*, expires \d{4}-.*, seen \d{4}-/m);
    assert.match(stdout, /^signing certificates +OBSeal of PSDGB-FCA-123456 \(PSP_PI, PSP_AI\), expires .*, key /m);
  });

  test('a key that was removed changes no registration from tppKeys.maxAgeMs on', async (t) => {
    const published = await publishing(t);
    assert.equal(await register(published), 201);
    published.answers.keys = jwksOf(other);
    published.bank.clock.aheadMs += 600_000;
    assert.equal(await register(published), 400);
  });

  test('while the JWKS answers 503 a key changes registrations until tppKeys.hardMaxAgeMs, and none after it', async (t) => {
    const published = await publishing(t);
    assert.equal(await register(published), 201);
    published.answers.keys = { status: 503, body: '' };
    published.bank.clock.aheadMs += 3_500_000;
    assert.equal(await register(published), 201);
    published.bank.clock.aheadMs += 100_000;
    assert.equal(await register(published), 500);
    published.answers.keys = jwksOf(published.tpp.signing);
    published.bank.clock.aheadMs += 30_000;
    assert.equal(await register(published), 201);
  });

  test('a key that is listed under revokedJwksUrl changes no registration, although its JWKS still has it', async (t) => {
    const published = await publishing(t, true);
    assert.equal(await register(published), 201);
    published.answers.revoked = jwksOf(published.tpp.signing);
    published.bank.clock.aheadMs += 600_000;
    assert.equal(await register(published), 400);
    published.answers.revoked = { status: 503, body: '' };
    published.bank.clock.aheadMs += 3_600_000;
    assert.equal(await register(published), 500, 'without the list no key is used');
  });

  const unusable: readonly (readonly [string, string, RegExp])[] = [
    ['has 101 keys', JSON.stringify({ keys: Array.from({ length: 101 }, () => other.jwk) }), /at most 100 keys/],
    ['is no JSON', '<html>', /JWKS/],
    ['has no keys', '{"key":[]}', /must be an object with an array/],
    ['is longer than is read', `{"keys":[],"x":"${'x'.repeat(262_144)}"}`, /more than 262144 bytes/],
  ];
  test('a JWKS that is not usable is 400 for its TPP with the reason, and log and metric tell the operator', async (t) => {
    const published = await publishing(t);
    const { tpp, bank } = published;
    for (const [what, body, reason] of unusable) {
      published.answers.keys = { status: 200, body };
      for (const version of VERSIONS) {
        const answer = await tpp.call('POST', version, 'event-subscriptions', { body: BODY });
        const { code } = errorOf(answer);
        assert.deepEqual([answer.status, code], [400, version === 'v4.0' ? 'U016' : 'UK.OBIE.Signature.InvalidClaim']);
        assert.match(answer.body.toString(), reason, what);
      }
      bank.clock.aheadMs += 30_000;
    }
    assert.match(bank.log(), /"clientId":"tpp-a".*"the keys of a TPP are unavailable"/);
    assert.match(bank.log(), /"of":"tpp".*"keys could not be fetched"/);
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
    const metrics = await (await fetch(`${bank.service.operatorUrl}/metrics`, { headers })).text();
    assert.match(metrics, /^tidings_key_fetches_failed_total\{of="tpp"\} 4$/m);
  });

  test('a key of over 8192 bits is as unknown as one that is not there', async (t) => {
    const published = await publishing(t);
    const n = Buffer.alloc(175_000, 0xff).toString('base64url');
    published.answers.keys = { status: 200, body: JSON.stringify({ keys: [{ ...published.tpp.signing.jwk, n }] }) };
    assert.equal(await register(published), 400);
  });
});
