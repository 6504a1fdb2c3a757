import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenTls, makeAuthority } from '@tidings/testing';
import { examineKafka } from '../src/index.ts';
import { SETTINGS } from './settings.ts';

test('a broker of unknown roots is refused though NODE_TLS_REJECT_UNAUTHORIZED is 0', async (t) => {
  const heard: unknown[] = [];
  const { port } = await listenTls(t, (socket) => socket.on('data', (data) => heard.push(data)).end());
  const { certificatePem } = await makeAuthority('Another root');
  t.after(() => Reflect.deleteProperty(process.env, 'NODE_TLS_REJECT_UNAUTHORIZED'));
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  for (const tls of [{}, { ca: certificatePem }]) {
    await assert.rejects(
      examineKafka({ ...SETTINGS, brokers: [`localhost:${port}`], tls }),
      /unable to verify the first certificate|unable to get local issuer certificate|certificate signature failure/,
    );
  }
  assert.deepEqual(heard, []);
});
