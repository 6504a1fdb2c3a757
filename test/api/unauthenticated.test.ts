import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { SUBSCRIPTIONS, type Tpp } from '../support/tpp.ts';

const PER_CERTIFICATE = 15;
const PER_ADDRESS = 40;
const limits = {
  unauthenticatedPerMinutePerCertificateMax: PER_CERTIFICATE,
  unauthenticatedPerMinutePerAddressMax: PER_ADDRESS,
};
const clients = ['tpp-a', 'unregistered-1', 'unregistered-2', 'unregistered-3'];
const bank = await startBankWithTpps({ clients, settings: { api: limits } });
after(() => bank.stop());

const linesOf = (status: number) =>
  readFileSync(bank.logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"status":${status}`)).length;

const beganMs = performance.now();

/**
 * Sends so many requests at once, of which so many are answered with a status, and the others 429. On a slow machine there
 * are some more, since what was taken of a limit recovers evenly over a minute.
 */
async function flood(tpp: Tpp, count: number, status: number, expected: number, token?: string): Promise<void> {
  const request = token === undefined ? {} : { token };
  const answers = await Promise.all(Array.from({ length: count }, () => tpp.request('GET', SUBSCRIPTIONS, request)));
  const limited = answers.filter((answer) => answer.status === 429);
  for (const { headers } of limited) assert.match(headers['retry-after'] ?? '', /^[1-9]\d*$/);
  const others = answers.filter((answer) => answer.status === status).length;
  assert.equal(limited.length + others, count);
  const refilled = Math.ceil(((performance.now() - beganMs) * PER_ADDRESS) / 60_000);
  assert.ok(others >= expected && others <= expected + refilled, `${others} of ${expected}`);
}

test('a certificate without a good token, or of no registered TPP, is 429 past its limit; its address, past that', async () => {
  const known = bank.tpp('tpp-a');
  assert.equal((await known.request('GET', SUBSCRIPTIONS)).status, 200);
  await flood(bank.tpp('unregistered-1'), 60, 401, PER_CERTIFICATE, 'not-a-token');
  await flood(bank.tpp('unregistered-2'), 60, 403, PER_CERTIFICATE);
  const left = PER_ADDRESS - 2 * PER_CERTIFICATE;
  await flood(bank.tpp('unregistered-3'), 60, 401, left, 'not-a-token');
  assert.equal((await known.request('GET', SUBSCRIPTIONS)).status, 200, 'a TPP of the same address goes on');
});

test('the log has the first of lines that repeat', () => {
  // Ten of each certificate that was refused so.
  assert.equal(linesOf(401), 20);
  assert.equal(linesOf(403), 10);
  assert.equal(linesOf(429), 30);
});

test('the operator log has the first of lines that repeat, and a good token is let in meanwhile', async () => {
  const refuse = () => bank.operator.send('/operator/v1/status', { headers: { authorization: 'Bearer guess' } });
  const answers = await Promise.all(Array.from({ length: 50 }, refuse));
  assert.ok(answers.every(({ status }) => status === 401));
  assert.equal(linesOf(401), 30);
  assert.equal((await bank.operate('GET', '/operator/v1/status')).status, 200);
});
