import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HEADER_ISS, signCompact } from '@tidings/protocol';
import type { Inspection } from '../src/cli/inspect.ts';
import { main } from '../src/cli/main.ts';
import { BANK_ORG_ID, CLIENT_ID, ISSUER, makeClaims, makeSet, NOW_MS, testBank } from './support/sets.ts';

async function run(...args: string[]): Promise<{ code: number; output: string }> {
  const lines: string[] = [];
  const untilInterrupted = () => Promise.reject(new Error('inspect does not wait'));
  const code = await main(args, { print: (line) => lines.push(line), nowMs: () => NOW_MS, untilInterrupted });
  return { code, output: lines.join('\n') };
}

async function inspect(...args: string[]): Promise<Inspection & { code: number }> {
  const { code, output } = await run('inspect', '--json', ...args);
  return { code, ...JSON.parse(output) };
}

const brokenOf = ({ findings }: Inspection) =>
  findings.filter(({ verdict }) => verdict === 'wrong').map(({ part, name }) => `${part} ${name}`);

test('inspect explains a good token, and verifies it with a JWKS', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidings-inspect-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'jwks.json'), JSON.stringify({ keys: [(await testBank()).jwk] }));
  await writeFile(join(folder, 'token.jwt'), `${await makeSet()}\n`);
  const expected = ['--issuer', ISSUER, '--signer', BANK_ORG_ID, '--client-id', CLIENT_ID];
  const keys = ['--jwks', join(folder, 'jwks.json')];
  const verified = await inspect(join(folder, 'token.jwt'), ...expected, ...keys);
  assert.deepEqual([verified.code, verified.verdict, brokenOf(verified)], [0, 'good', []]);
  assert.equal((await inspect(await makeSet(), ...keys)).verdict, 'good');
  const { code, output } = await run('inspect', await makeSet());
  assert.equal(code, 0);
  assert.match(output, /^ok {4}claim aud = "tpp-client-1"\n +Your client_id\.$/m);
  assert.match(
    output,
    /event urn:uk:org:openbanking:events:resource-update = resource-update\n +About domestic-payment pmt-7290-003\./,
  );
  assert.match(output, /Not verified: give the keys of the bank with --jwks/);
  const forged = await inspect(`${(await makeSet()).slice(0, -8)}AAAAAAAA`, ...keys);
  assert.deepEqual([forged.code, brokenOf(forged)], [1, ['signature PS256']]);
});

test('inspect names each rule that a token breaks', async () => {
  const { signer } = await testBank();
  const claims = { ...makeClaims({ aud: 'other', iat: NOW_MS / 1000 + 600 }), toe: 1.5, txn: undefined, own: 'x' };
  const token = await signCompact(new TextEncoder().encode(JSON.stringify(claims)), signer, NOW_MS / 1000);
  const [, payload, signature] = token.split('.');
  const header = Buffer.from(
    JSON.stringify({ alg: 'RS256', kid: 'k', jku: 'https://evil.example', [HEADER_ISS]: 'x' }),
  );
  const inspected = await inspect(
    `${header.toString('base64url')}.${payload}.${signature}`,
    '--client-id',
    CLIENT_ID,
    '--signer',
    BANK_ORG_ID,
  );
  assert.equal(inspected.code, 1);
  assert.deepEqual(brokenOf(inspected), [
    'header alg',
    'header http://openbanking.org.uk/iat',
    'header http://openbanking.org.uk/iss',
    'header http://openbanking.org.uk/tan',
    'header crit',
    'header jku',
    'claim iat',
    'claim aud',
    'claim txn',
    'claim toe',
    'event claims',
  ]);
});

test('inspect refuses wrong use with the remedy, and never prints control characters of a token', async () => {
  for (const [args, message] of [
    [['inspect'], /Give one token/],
    [['inspect', '/does/not/exist'], /TOKEN: the file .* cannot be read \(ENOENT\)/],
    [['inspect', 'x', '--jwks'], /--jwks/],
    [['listem'], /no command listem/],
    [[], /^Usage/],
    [['inspect', 'eyJ.e30.x', '--jwks', 'http://bank.example/jwks'], /--jwks: url must be an https URL\./],
  ] as const) {
    const { code, output } = await run(...args);
    assert.equal(code, 2);
    assert.match(output, message);
  }
  const hostile = Buffer.from(JSON.stringify({ 'a\u001b[2J': 1 })).toString('base64url');
  const { code, output } = await run('inspect', `${hostile}.e30.AAAA`);
  assert.equal(code, 1);
  assert.ok(!output.includes('\u001b'));
});
