import assert from 'node:assert/strict';
import { constants, createPublicKey, sign as signWith, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SigningProviderError } from '@tidings/protocol';
import { listenHttp, makeSigningKey, sendJson, temporaryFolder } from '@tidings/testing';
import { createProvider } from '../src/index.ts';

// The transit engine as the API documentation of Vault has it, by a server of the test: keys/:name and sign/:name.

const INPUT = Buffer.from('header.payload');
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const never = new AbortController().signal;
const KEYS = { '1': makeSigningKey('kid-1'), '2': makeSigningKey('kid-2') };
const publicPem = (key: (typeof KEYS)[1]) =>
  createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' }).toString();

async function server(t: Parameters<typeof listenHttp>[0]) {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const tokenFile = join(folder.path, 'token');
  writeFileSync(tokenFile, 'first\n');
  const state: { status: number; headers: Record<string, string>; seen: string[]; body: Record<string, unknown> } = {
    ...{ status: 200, headers: {}, seen: [], body: {} },
  };
  const { origin } = await listenHttp(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    state.seen.push(`${request.method} ${request.url} ${request.headers['x-vault-token']}`);
    for (const [name, value] of Object.entries(state.headers)) response.setHeader(name, value);
    if (state.status !== 200) return sendJson(response, { errors: ['no'] }, state.status);
    if (request.method === 'GET') {
      const keys = Object.entries(KEYS).map(([version, key]) => [
        version,
        { name: 'rsa-2048', public_key: publicPem(key) },
      ]);
      return sendJson(response, { data: { type: 'rsa-2048', latest_version: 2, keys: Object.fromEntries(keys) } });
    }
    state.body = JSON.parse(Buffer.concat(chunks).toString());
    const version = state.body['key_version'] === 1 ? '1' : '2';
    const input = Buffer.from(String(state.body['input']), 'base64');
    const signature = signWith('sha256', input, { key: KEYS[version].privateKey, ...PSS }).toString('base64');
    sendJson(response, { data: { signature: `vault:v${version}:${signature}`, key_version: Number(version) } });
  });
  const provider = createProvider({ url: origin, mount: 'transit', tokenFile, concurrencyMax: 4 });
  t.after(() => provider.close());
  return { state, provider, tokenFile };
}

const hasFault = (fault: string, afterMs?: number) => (error: unknown) =>
  error instanceof SigningProviderError && error.fault === fault && error.retryAfterMs === afterMs;

describe('keys of a transit engine', () => {
  test('sign PS256 with the version that is named, or with the latest', async (t) => {
    const { state, provider } = await server(t);
    for (const [name, version] of [
      ['tidings/1', '1'],
      ['tidings', '2'],
    ] as const) {
      const { publicKeyPem, sign } = await provider.openKey(name, never);
      assert.equal(publicKeyPem, publicPem(KEYS[version]));
      assert.ok(verify('sha256', INPUT, { key: publicKeyPem, ...PSS }, await sign(INPUT, never)));
      assert.deepEqual(state.body, {
        ...{ input: INPUT.toString('base64'), key_version: Number(version), hash_algorithm: 'sha2-256' },
        ...{ signature_algorithm: 'pss', salt_length: 'hash' },
      });
    }
    await assert.rejects(provider.openKey('tidings/3', never), hasFault('denied'));
  });

  test('the token is read at each call, so that an agent can renew it', async (t) => {
    const { state, provider, tokenFile } = await server(t);
    const { sign } = await provider.openKey('tidings', never);
    writeFileSync(tokenFile, 'second\n');
    await sign(INPUT, never);
    assert.deepEqual(state.seen, ['GET /v1/transit/keys/tidings first', 'POST /v1/transit/sign/tidings second']);
  });

  test('what the server answers is told apart', async (t) => {
    const { state, provider } = await server(t);
    const { sign } = await provider.openKey('tidings', never);
    for (const [status, fault] of [
      [403, 'denied'],
      [404, 'denied'],
      [412, 'unavailable'],
      [503, 'unavailable'],
      [429, 'throttled'],
    ] as const) {
      state.status = status;
      await assert.rejects(sign(INPUT, never), hasFault(fault));
    }
    state.headers = { 'retry-after': '2' };
    await assert.rejects(sign(INPUT, never), hasFault('throttled', 2000));
  });

  test('a server that is not there is unavailable', async (t) => {
    const { tokenFile } = await server(t);
    const provider = createProvider({ url: 'http://127.0.0.1:9', mount: 'transit', tokenFile, concurrencyMax: 1 });
    await assert.rejects(provider.openKey('tidings', never), hasFault('unavailable'));
    await provider.close();
  });
});
