import assert from 'node:assert/strict';
import { constants, createHash, createPublicKey, verify } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { SigningProviderError } from '@tidings/protocol';
import { listenHttp, makeSigningKey, sendJson, signDigest } from '@tidings/testing';
import { crc32c } from '../src/crc32c.ts';
import { createProvider } from '../src/index.ts';

// Cloud KMS as its REST reference has it, by a server of the test: publicKey and asymmetricSign. The access token comes from the
// metadata server of Compute Engine, which this server plays too.

const INPUT = Buffer.from('header.payload');
const NAME = 'projects/bank/locations/europe-west2/keyRings/tidings/cryptoKeys/signing/cryptoKeyVersions/1';
const never = new AbortController().signal;
const KEY = makeSigningKey('kid-1');
const PEM = createPublicKey(KEY.privateKey).export({ type: 'spki', format: 'pem' }).toString();

interface State {
  algorithm: string;
  /** Of every call; undefined: it succeeds. */
  failure: { status: number; error: object; retryAfter?: string } | undefined;
  /** Changes to what is answered. */
  changes: object;
  isMetadataThere: boolean;
  readonly seen: string[];
  signed: unknown;
}

async function service(t: TestContext) {
  const state: State = {
    ...{ algorithm: 'RSA_SIGN_PSS_2048_SHA256', failure: undefined, changes: {}, isMetadataThere: true },
    ...{ seen: [], signed: undefined },
  };
  const { origin } = await listenHttp(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (path.startsWith('/computeMetadata/')) {
      response.setHeader('metadata-flavor', 'Google');
      if (!state.isMetadataThere) return sendJson(response, {}, 404);
      return sendJson(response, { access_token: 'of-the-machine', expires_in: 3600, token_type: 'Bearer' });
    }
    state.seen.push(`${request.method} ${path} ${request.headers.authorization}`);
    if (state.failure !== undefined) {
      const { status, error, retryAfter } = state.failure;
      if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
      return sendJson(response, { error: { code: status, message: 'no', ...error } }, status);
    }
    if (request.method === 'GET') {
      const found = { pem: PEM, algorithm: state.algorithm, pemCrc32c: crc32c(Buffer.from(PEM)), name: NAME };
      return sendJson(response, { ...found, ...state.changes });
    }
    const signed = JSON.parse(Buffer.concat(chunks).toString());
    state.signed = signed;
    const digest = Buffer.from(signed.digest.sha256, 'base64');
    const bytes = signDigest(KEY.privateKey, digest);
    const checked = { verifiedDigestCrc32c: signed.digestCrc32c === crc32c(digest), signatureCrc32c: crc32c(bytes) };
    sendJson(response, { signature: bytes.toString('base64'), ...checked, name: NAME, ...state.changes });
  });
  process.env['GCE_METADATA_HOST'] = new URL(origin).host;
  process.env['METADATA_SERVER_DETECTION'] = 'assume-present';
  const create = (endpointUrl: string) => {
    const provider = createProvider({ endpointUrl, concurrencyMax: 4 });
    t.after(() => provider.close());
    return provider;
  };
  return { state, create, origin, provider: create(origin) };
}

const hasFault =
  (fault: string, message = /./, afterMs?: number) =>
  (error: unknown) => {
    assert.ok(error instanceof SigningProviderError);
    assert.match(error.message, message);
    assert.deepEqual([error.fault, error.retryAfterMs], [fault, afterMs]);
    return true;
  };

test('checksums are CRC-32C, as the check value of the polynomial says', () => {
  assert.equal(crc32c(Buffer.from('123456789')), String(0xe3069283));
});

describe('keys of Cloud KMS', () => {
  test('sign PS256: the digest is sent with its checksum, and the token of the machine', async (t) => {
    const { state, provider } = await service(t);
    const { publicKeyPem, sign } = await provider.openKey(NAME, never);
    assert.equal(publicKeyPem, PEM);
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    assert.ok(verify('sha256', INPUT, { key: publicKeyPem, ...pss }, await sign(INPUT, never)));
    const digest = createHash('sha256').update(INPUT).digest();
    assert.deepEqual(state.signed, { digest: { sha256: digest.toString('base64') }, digestCrc32c: crc32c(digest) });
    assert.deepEqual(state.seen, [
      `GET /v1/${NAME}/publicKey Bearer of-the-machine`,
      `POST /v1/${NAME}:asymmetricSign Bearer of-the-machine`,
    ]);
  });

  test('a key for another algorithm, or that is not named with its version, is refused when it is opened', async (t) => {
    const { state, provider } = await service(t);
    for (const algorithm of ['RSA_SIGN_PKCS1_2048_SHA256', 'RSA_SIGN_PSS_4096_SHA512', 'EC_SIGN_P256_SHA256']) {
      state.algorithm = algorithm;
      await assert.rejects(provider.openKey(NAME, never), hasFault('denied', new RegExp(`is for ${algorithm}; PS256`)));
    }
    state.algorithm = 'RSA_SIGN_PSS_4096_SHA256';
    await provider.openKey(NAME, never);
    const unversioned = NAME.replace(/\/cryptoKeyVersions.*/, '');
    await assert.rejects(provider.openKey(unversioned, never), hasFault('denied', /version of a key/));
  });

  test('an answer, or a digest, that was changed on its way is not used', async (t) => {
    const { state, provider } = await service(t);
    const { sign } = await provider.openKey(NAME, never);
    for (const [changes, message] of [
      [{ verifiedDigestCrc32c: false }, /did not receive the digest/],
      [{ signatureCrc32c: '1' }, /checksum is wrong/],
      [{ signature: undefined }, /no signature/],
    ] as const) {
      state.changes = changes;
      await assert.rejects(sign(INPUT, never), hasFault('unavailable', message));
    }
    state.changes = { pemCrc32c: '1' };
    await assert.rejects(provider.openKey(NAME, never), hasFault('unavailable', /checksum is wrong/));
  });

  test('what the service answers is told apart, and is asked for once', async (t) => {
    const { state, provider } = await service(t);
    const { sign } = await provider.openKey(NAME, never);
    const retryInfo = { details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' }] };
    for (const [status, error, retryAfter, fault, afterMs] of [
      [403, { status: 'PERMISSION_DENIED' }, undefined, 'denied', undefined],
      [404, { status: 'NOT_FOUND' }, undefined, 'denied', undefined],
      [400, { status: 'FAILED_PRECONDITION' }, undefined, 'denied', undefined],
      [503, { status: 'UNAVAILABLE' }, undefined, 'unavailable', undefined],
      [429, { status: 'RESOURCE_EXHAUSTED' }, undefined, 'throttled', undefined],
      [429, { status: 'RESOURCE_EXHAUSTED' }, '2', 'throttled', 2000],
      [429, { status: 'RESOURCE_EXHAUSTED', ...retryInfo }, undefined, 'throttled', 1500],
    ] as const) {
      state.failure = { status, error, ...(retryAfter !== undefined && { retryAfter }) };
      const calls = state.seen.length;
      await assert.rejects(sign(INPUT, never), hasFault(fault, new RegExp(`${status} ${error.status}`), afterMs));
      assert.equal(state.seen.length, calls + 1);
    }
  });

  test('a service that is not there, or a machine without an access token, is unavailable', async (t) => {
    const { state, create, origin } = await service(t);
    const away = create('http://127.0.0.1:9');
    await assert.rejects(away.openKey(NAME, never), hasFault('unavailable', /does not answer/));
    state.isMetadataThere = false;
    await assert.rejects(create(origin).openKey(NAME, never), hasFault('unavailable', /no access token/));
  });
});
