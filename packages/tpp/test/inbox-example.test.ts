import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { signSet } from '@tidings/protocol';
import { until } from '@tidings/testing';
import type { Inbox } from '@tidings/tpp';
import { giveSettings } from './support/example-settings.ts';
import { makeClaims, testBank } from './support/sets.ts';

interface Example {
  readonly server: Server;
  readonly inbox: Inbox;
  stop(): Promise<void>;
}

test('the example of the inbox acknowledges a notification twice, and writes its change once', async (t) => {
  const { signer } = await testBank();
  let file = '';
  await giveSettings(t, (folder) => {
    file = join(folder, 'tpp.db');
    return { TPP_DATABASE_FILE: file };
  });
  const example: Example = await import(new URL('../examples/inbox.js', import.meta.url).href);
  const { server, inbox } = example;
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const toe = Math.floor(Date.now() / 1000);
  const body = await signSet(makeClaims({ iat: toe, toe }), signer, toe);
  for (let time = 0; time < 2; time += 1) {
    const headers = { 'content-type': 'application/jwt', connection: 'close' };
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body });
    assert.equal(response.status, 202);
  }
  await until(async () => (await inbox.counts()).waiting === 0, 'the inbox to be empty');
  await example.stop();
  const database = new DatabaseSync(file);
  t.after(() => database.close());
  const changes = database
    .prepare('SELECT * FROM change')
    .all()
    .map((row) => ({ ...row }));
  assert.deepEqual(changes, [{ resource: makeClaims().sub, kind: 'resource-update', occurred_at: toe }]);
});
