import assert from 'node:assert/strict';
import { constants, createHash, createPublicKey, verify } from 'node:crypto';
import dns from 'node:dns';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { SigningProviderError } from '@tidings/protocol';
import {
  listenHttp,
  listenHttps,
  makeSigningKey,
  sendJson,
  signDigest,
  temporaryFolder,
  testPki,
} from '@tidings/testing';
import { createProvider } from '../src/index.ts';

// A vault as the REST API reference of Azure Key Vault has it, by a server of the test: challenge, keys/{name}/{version} and
// its operation sign. The access token is that of a managed identity, which App Service gives over HTTP on the machine.

const INPUT = Buffer.from('header.payload');
const VERSION = '0123456789abcdef0123456789abcdef';
const VAULT = 'bank.vault.azure.net';
const never = new AbortController().signal;
const KEY = makeSigningKey('kid-1');
const PUBLIC_KEY = createPublicKey(KEY.privateKey);

interface State {
  /** Changes to the key that the vault gives. */
  key: object;
  attributes: object;
  /** Of every call with a token; undefined: it succeeds. */
  failure: { status: number; code: string; retryAfter?: string } | undefined;
  /** What the challenge says that tokens are for. */
  resource: string;
  isIdentityThere: boolean;
  readonly seen: string[];
  signed: unknown;
}

async function vault(t: TestContext) {
  const state: State = {
    ...{ key: {}, attributes: {}, failure: undefined, resource: 'https://vault.azure.net', isIdentityThere: true },
    ...{ seen: [], signed: undefined },
  };
  const { authority, caPem } = await testPki();
  const { tls } = await authority.issue({ dns: VAULT });
  const { port } = await listenHttps(
    t,
    async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString();
      const { method, headers } = request;
      const { pathname: path, searchParams } = new URL(`https://${VAULT}${request.url}`);
      assert.match(searchParams.get('api-version') ?? '', /^\d/);
      state.seen.push(`${method} ${path} ${headers.authorization ?? 'without a token'}`);
      if (headers.authorization === undefined) {
        const challenge = `Bearer authorization="https://login.microsoftonline.com/tenant", resource="${state.resource}"`;
        response.setHeader('www-authenticate', challenge);
        return sendJson(response, { error: { code: 'Unauthorized', message: 'no token' } }, 401);
      }
      if (state.failure !== undefined) {
        const { status, code, retryAfter } = state.failure;
        if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
        return sendJson(response, { error: { code, message: 'no' } }, status);
      }
      const kid = `https://${headers.host}/keys/bank/${VERSION}`;
      if (method === 'GET') {
        const { n, e } = PUBLIC_KEY.export({ format: 'jwk' });
        const key = { kid, kty: 'RSA-HSM', key_ops: ['sign', 'verify'], n, e, ...state.key };
        return sendJson(response, { key, attributes: { enabled: true, ...state.attributes } });
      }
      const signed = JSON.parse(body);
      state.signed = signed;
      const value = signDigest(KEY.privateKey, Buffer.from(signed.value, 'base64url')).toString('base64url');
      sendJson(response, { kid, value });
    },
    tls,
  );
  const identity = await listenHttp(t, (request, response) => {
    const { searchParams } = new URL(`http://localhost${request.url}`);
    state.seen.push(`token for ${searchParams.get('resource')}`);
    if (!state.isIdentityThere) return sendJson(response, { error: 'unavailable' }, 503);
    const expires_on = String(Math.floor(Date.now() / 1000) + 3600);
    sendJson(response, { access_token: 'of-the-identity', expires_on, token_type: 'Bearer' });
  });
  process.env['IDENTITY_ENDPOINT'] = `${identity.origin}/msi/token`;
  process.env['IDENTITY_HEADER'] = 'secret';
  // The SDK refuses a vault whose host is not one of the domain that the challenge names, so it has its real name here.
  const lookup = dns.lookup;
  t.mock.method(dns, 'lookup', (host: string, ...rest: [never, never]) =>
    lookup(host === VAULT ? '127.0.0.1' : host, ...rest),
  );
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const caFile = join(folder.path, 'ca.pem');
  writeFileSync(caFile, caPem);
  const create = (settings: { caFile?: string; port?: number }) => {
    const vaultUrl = `https://${VAULT}:${settings.port ?? port}`;
    const provider = createProvider({ vaultUrl, caFile: settings.caFile, concurrencyMax: 4 });
    t.after(() => provider.close());
    return provider;
  };
  return { state, create, caFile, provider: create({ caFile }) };
}

const hasFault =
  (fault: string, message = /./, afterMs?: number) =>
  (error: unknown) => {
    assert.ok(error instanceof SigningProviderError);
    assert.match(error.message, message);
    assert.deepEqual([error.fault, error.retryAfterMs], [fault, afterMs]);
    return true;
  };

describe('keys of Azure Key Vault', () => {
  test('sign PS256: the digest is sent to the version that was found, with the token that the challenge asks for', async (t) => {
    const { state, provider } = await vault(t);
    const { publicKeyPem, sign } = await provider.openKey('bank', never);
    assert.ok(createPublicKey(publicKeyPem).equals(PUBLIC_KEY));
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    assert.ok(verify('sha256', INPUT, { key: publicKeyPem, ...pss }, await sign(INPUT, never)));
    const value = createHash('sha256').update(INPUT).digest('base64url');
    assert.deepEqual(state.signed, { alg: 'PS256', value });
    const { seen } = state;
    assert.ok(seen.includes('token for https://vault.azure.net'), seen.join('\n'));
    assert.equal(seen.at(-1), `POST /keys/bank/${VERSION}/sign Bearer of-the-identity`);
    await sign(INPUT, never);
    assert.equal(seen.filter((each) => each.startsWith('POST') && each.includes('Bearer')).length, 2);
  });

  test('the version that is named is asked for', async (t) => {
    const { state, provider } = await vault(t);
    await provider.openKey(`bank/${VERSION}`, never);
    assert.equal(state.seen.at(-1), `GET /keys/bank/${VERSION} Bearer of-the-identity`);
  });

  for (const [what, change, message] of [
    ['of an elliptic curve', { key: { kty: 'EC' } }, /is of the type EC; PS256 needs RSA or RSA-HSM/],
    ['that may not sign', { key: { key_ops: ['encrypt'] } }, /add "sign" to its key operations/],
    ['that is disabled', { attributes: { enabled: false } }, /is disabled/],
  ] as const) {
    test(`a key ${what} is refused when it is opened`, async (t) => {
      const { state, provider } = await vault(t);
      Object.assign(state, change);
      await assert.rejects(provider.openKey('bank', never), hasFault('denied', message));
    });
  }

  test('what the vault answers is told apart, and is asked for once', async (t) => {
    const { state, provider } = await vault(t);
    const { sign } = await provider.openKey('bank', never);
    // The client of signatures learns the challenge.
    await sign(INPUT, never);
    for (const [status, code, fault, retryAfter] of [
      [403, 'Forbidden', 'denied', undefined],
      [404, 'KeyNotFound', 'denied', undefined],
      [500, 'InternalServerError', 'unavailable', undefined],
      [503, 'ServiceUnavailable', 'unavailable', '2'],
      [429, 'Throttled', 'throttled', undefined],
      [429, 'Throttled', 'throttled', '2'],
    ] as const) {
      state.failure = { status, code, ...(retryAfter !== undefined && { retryAfter }) };
      const calls = state.seen.length;
      const afterMs = status === 429 && retryAfter !== undefined ? 2000 : undefined;
      await assert.rejects(sign(INPUT, never), hasFault(fault, new RegExp(`answered ${status}`), afterMs));
      assert.equal(state.seen.length, calls + 1);
    }
  });

  test('a vault that is not there, is not whom we trust, or is without an access token, is unavailable', async (t) => {
    const { state, create, caFile } = await vault(t);
    await assert.rejects(create({ port: 9, caFile }).openKey('bank', never), hasFault('unavailable', /not reached/));
    await assert.rejects(create({}).openKey('bank', never), hasFault('unavailable', /certificate/));
    state.isIdentityThere = false;
    // Tokens are cached by the identity, in the whole process.
    process.env['AZURE_CLIENT_ID'] = 'another';
    t.after(() => delete process.env['AZURE_CLIENT_ID']);
    await assert.rejects(create({ caFile }).openKey('bank', never), hasFault('unavailable', /no access token/));
  });

  test('no token is sent to a vault whose challenge names another domain', async (t) => {
    const { state, provider } = await vault(t);
    state.resource = 'https://vault.attacker.example';
    await assert.rejects(provider.openKey('bank', never), hasFault('unavailable', /does not match/));
    assert.ok(!state.seen.some((each) => each.includes('Bearer')));
  });
});
