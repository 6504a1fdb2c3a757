import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { listenHttp } from '@tidings/testing';
import { createReceiver, nodeListener } from '@tidings/tpp';
import { EXPECTED, makeBank, makeCases } from './cases.ts';
import { faultsOf } from './exchange.ts';
import { fileBlocks, PROGRAMS } from './programs.ts';

// What npm run cookbook sends to programs in other languages, sent to the kit, and to receivers that are careless.

const PAGE = 'docs/guides/cookbook.md';

test('the kit answers every request of the cookbook as its programs must', async (t) => {
  const bank = await makeBank();
  const receiver = createReceiver({
    ...EXPECTED,
    keys: bank.keys,
    onNotification: () => undefined,
    onRefused: () => undefined,
  });
  const { origin } = await listenHttp(t, nodeListener(receiver));
  const cases = await makeCases(bank);
  assert.deepEqual(await faultsOf(origin, cases), []);
  assert.ok(readFileSync(PAGE, 'utf8').includes(`sends each ${cases.length} requests`), `${PAGE}: ${cases.length}`);
});

test('a receiver that accepts everything, or nothing, or echoes no id, is found out', async (t) => {
  const cases = await makeCases(await makeBank());
  const careless = await listenHttp(t, (request, response) => {
    response.setHeader('x-fapi-interaction-id', request.headers['x-fapi-interaction-id'] ?? '');
    request.resume().on('end', () => response.writeHead(202).end());
  });
  const wrong = await faultsOf(careless.origin, cases);
  const refused = cases
    .filter(({ status }) => status !== 202)
    .map(({ name, status }) => `${name}: status 202, not ${status}`);
  assert.deepEqual(wrong, [...refused, 'without an interaction id: no fresh one']);
  const silent = await listenHttp(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(400).end('{"err":"x"}'));
  });
  const faults = await faultsOf(silent.origin, cases);
  for (const { name, status, err } of cases) {
    const expected = [`${name}: x-fapi-interaction-id undefined, not the one that was sent`];
    if (status === 400) expected.push(`${name}: no err and description`);
    else expected.push(`${name}: status 400, not ${status}`);
    if (err !== undefined) expected.push(`${name}: err x, not ${err}`);
    for (const each of expected) assert.ok(faults.includes(each), each);
  }
});

test('the page has every file of every program', () => {
  const blocks = fileBlocks(readFileSync(PAGE, 'utf8'));
  for (const { language, files } of PROGRAMS)
    for (const file of files) assert.ok(blocks.has(file), `${language}: ${file}`);
});
