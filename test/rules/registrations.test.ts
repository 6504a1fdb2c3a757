import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp, type Resource } from '../support/tpp.ts';

// Section 2: what no other test of registrations shows.

const RESOURCES: readonly Resource[] = ['event-subscriptions', 'callback-urls'];
const CALLBACK_URL = 'https://tpp.example/open-banking/v4.0/event-notifications';
const dataOf = (resource: Resource) =>
  resource === 'callback-urls' ? { Url: CALLBACK_URL, Version: '3.1' } : { CallbackUrl: CALLBACK_URL, Version: '3.1' };

test('in each environment a client_id has registrations of its own [2 per-environment]', async (t) => {
  const banks = await Promise.all([startBank({ clients: ['tpp-a'] }), startBank({ clients: ['tpp-a'] })]);
  const parties = await Promise.all(banks.map((bank) => makeTpp(bank, 'tpp-a')));
  t.after(async () => {
    for (const party of parties) party.close();
    for (const bank of banks) await bank.stop();
  });
  const [live, sandbox] = parties;
  assert.ok(live !== undefined && sandbox !== undefined);
  for (const resource of RESOURCES) {
    const id = await live.create('v4.0', resource, dataOf(resource));
    assert.deepEqual(await sandbox.list('v4.0', resource), []);
    assert.notEqual(await sandbox.create('v4.0', resource, dataOf(resource)), id);
    assert.equal((await live.remove('v4.0', resource, id)).status, 204);
    assert.equal((await sandbox.list('v4.0', resource)).length, 1);
  }
});

test('ids have 1 to 40 characters, and never come again, for nobody [2 id]', async (t) => {
  const bank = await startBank({ clients: ['tpp-a', 'tpp-b'] });
  const parties = [await makeTpp(bank, 'tpp-a'), await makeTpp(bank, 'tpp-b')];
  t.after(async () => {
    for (const party of parties) party.close();
    await bank.stop();
  });
  const ids: string[] = [];
  for (const resource of RESOURCES) {
    for (const version of [...VERSIONS, ...VERSIONS]) {
      for (const party of parties) {
        const id = await party.create(version, resource, dataOf(resource));
        assert.equal((await party.remove(version, resource, id)).status, 204);
        ids.push(id);
      }
    }
  }
  for (const id of ids) assert.match(id, /^.{1,40}$/);
  assert.equal(new Set(ids).size, 16);
});
