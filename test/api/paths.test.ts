import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { errorOf } from '../support/answers.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { checkProblem } from '../support/problem.ts';
import { SUBSCRIPTIONS } from '../support/tpp.ts';

const bank = await startBankWithTpps({ clients: ['tpp-a'] });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');

// Both are what the router of the framework would answer by itself, past every hook.

for (const id of ['%zz', '%', '%ff', '%c3%28', 'x'.repeat(201), 'x'.repeat(10_000)]) {
  test(`the id ${id.slice(0, 20)} (${id.length} characters) is unknown: 400 U011, as every other`, async () => {
    const answer = await tpp.request('DELETE', `${SUBSCRIPTIONS}/${id}`);
    assert.deepEqual(errorOf(answer), { status: 400, code: 'U011', path: 'EventSubscriptionId' });
  });
}

for (const path of ['/%zz', '/%ff/%fe', '/open-banking/v4.0/%', `${SUBSCRIPTIONS}%00`]) {
  test(`${path} answers 404 without a body`, async () => {
    assert.deepEqual(errorOf(await tpp.request('GET', path)), { status: 404 });
  });
}

for (const path of [
  '/operator/v1/tpps/%zz',
  `/operator/v1/tpps/${'x'.repeat(201)}`,
  '/operator/v1/%ff',
  '/operator/v1/notifications/%',
]) {
  test(`the operator API answers ${path.slice(0, 40)} with a problem, after it has asked for a token`, async () => {
    assert.equal((await bank.operator.send(path)).status, 401);
    const { status, body } = await bank.operate('GET', path);
    assert.equal(status, 404);
    checkProblem(body, 404);
  });
}
