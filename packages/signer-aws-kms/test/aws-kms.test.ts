import assert from 'node:assert/strict';
import { constants, createPublicKey, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import { SigningProviderError } from '@tidings/protocol';
import { listenHttp, makeSigningKey, sendJson, signDigest } from '@tidings/testing';
import { createProvider } from '../src/index.ts';

// AWS KMS as its API reference has it, by a server of the test: the calls GetPublicKey and Sign.

process.env['AWS_ACCESS_KEY_ID'] = 'test';
process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
const INPUT = Buffer.from('header.payload');
const ARN = 'arn:aws:kms:eu-west-2:111122223333:key/1';
const never = new AbortController().signal;
const KEY = makeSigningKey('kid-1');
const PUBLIC_KEY = createPublicKey(KEY.privateKey);

async function service(t: Parameters<typeof listenHttp>[0]) {
  const state: { error: string | undefined; status: number; asked: Record<string, unknown>[] } = {
    ...{ error: undefined, status: 400, asked: [] },
  };
  const { origin } = await listenHttp(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body: Record<string, unknown> = JSON.parse(Buffer.concat(chunks).toString());
    state.asked.push({ target: request.headers['x-amz-target'], ...body });
    if (state.error !== undefined) return sendJson(response, { __type: state.error, message: 'no' }, state.status);
    if (request.headers['x-amz-target'] === 'TrentService.GetPublicKey') {
      const PublicKey = PUBLIC_KEY.export({ type: 'spki', format: 'der' }).toString('base64');
      return sendJson(response, { KeyId: ARN, PublicKey, SigningAlgorithms: ['RSASSA_PSS_SHA_256'] });
    }
    const Signature = signDigest(KEY.privateKey, Buffer.from(String(body['Message']), 'base64')).toString('base64');
    sendJson(response, { KeyId: ARN, Signature, SigningAlgorithm: 'RSASSA_PSS_SHA_256' });
  });
  const provider = createProvider({ region: 'eu-west-2', endpointUrl: origin, concurrencyMax: 4 });
  t.after(() => provider.close());
  return { state, provider };
}

const hasFault = (fault: string) => (error: unknown) => error instanceof SigningProviderError && error.fault === fault;

describe('keys of AWS KMS', () => {
  test('sign PS256: the digest is sent, and the key is named by its ARN once its alias was resolved', async (t) => {
    const { state, provider } = await service(t);
    const { publicKeyPem, sign } = await provider.openKey('alias/tidings', never);
    assert.ok(createPublicKey(publicKeyPem).equals(PUBLIC_KEY));
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    assert.ok(verify('sha256', INPUT, { key: publicKeyPem, ...pss }, await sign(INPUT, never)));
    const [opened, signed] = state.asked;
    assert.equal(opened?.['KeyId'], 'alias/tidings');
    const { target, KeyId, MessageType, SigningAlgorithm } = signed ?? {};
    assert.deepEqual(
      [target, KeyId, MessageType, SigningAlgorithm],
      ['TrentService.Sign', ARN, 'DIGEST', 'RSASSA_PSS_SHA_256'],
    );
  });

  for (const [error, status, fault] of [
    ['ThrottlingException', 400, 'throttled'],
    ['AccessDeniedException', 400, 'denied'],
    ['DisabledException', 400, 'denied'],
    ['KMSInternalException', 500, 'unavailable'],
    ['DependencyTimeoutException', 503, 'unavailable'],
  ] as const) {
    test(`an answer ${error} means ${fault}, and is asked for once`, async (t) => {
      const { state, provider } = await service(t);
      const { sign } = await provider.openKey('alias/tidings', never);
      Object.assign(state, { error, status });
      await assert.rejects(sign(INPUT, never), hasFault(fault));
      assert.equal(state.asked.length, 2);
    });
  }

  test('a service that is not there is unavailable', async () => {
    const provider = createProvider({ region: 'eu-west-2', endpointUrl: 'http://127.0.0.1:9', concurrencyMax: 4 });
    await assert.rejects(provider.openKey('alias/tidings', never), hasFault('unavailable'));
    await provider.close();
  });
});
