import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { constants, createHash, verify } from 'node:crypto';
import { test } from 'node:test';
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { SigningProviderError } from '@tidings/protocol';
import { until, unusedPort } from '@tidings/testing';
import { createProvider } from '../src/index.ts';

// AWS KMS as moto has it. It differs from AWS in a signature of RSASSA_PSS_SHA_256: it hashes the digest once more, and its salt
// is as long as possible. So a signature is verified here as moto makes it; the service would refuse it.

process.env['AWS_ACCESS_KEY_ID'] = 'test';
process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
const isThere = spawnSync('moto_server', ['--help'], { stdio: 'ignore' }).status === 0;
const region = 'eu-west-2';
const INPUT = Buffer.from('header.payload');
const never = new AbortController().signal;
const isDenied = (error: unknown) => error instanceof SigningProviderError && error.fault === 'denied';

test('the calls are those that moto knows', { skip: !isThere && 'needs moto_server (moto[server])' }, async (t) => {
  const port = await unusedPort();
  const server = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  t.after(() => server.kill('SIGKILL'));
  const endpoint = `http://127.0.0.1:${port}`;
  await until(async () => {
    return await fetch(`${endpoint}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const client = new KMSClient({ region, endpoint });
  t.after(() => client.destroy());
  const created = await client.send(new CreateKeyCommand({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }));
  const KeyId = created.KeyMetadata?.KeyId ?? '';
  await client.send(new CreateAliasCommand({ AliasName: 'alias/tidings', TargetKeyId: KeyId }));

  const provider = createProvider({ region, endpointUrl: endpoint, concurrencyMax: 4 });
  t.after(() => provider.close());
  const { publicKeyPem, sign } = await provider.openKey('alias/tidings', never);
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  const digest = createHash('sha256').update(INPUT).digest();
  assert.ok(verify('sha256', digest, { key: publicKeyPem, ...pss }, await sign(INPUT, never)));
  await assert.rejects(provider.openKey('alias/none', never), isDenied);
});
