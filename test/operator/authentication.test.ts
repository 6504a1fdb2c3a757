import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createHttpClient, listenOn, makeAuthority, makeSigningKey, signCompact } from '@tidings/testing';
import { OPERATOR_TOKEN } from '../support/bank.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { runCli } from '../support/cli.ts';

// The operator listener as a bank would have it beyond loopback: TLS with client certificates, its identity provider.

const folder = mkdtempSync(join(tmpdir(), 'tidings-operator-'));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
};
const [staff, stranger, providerKey] = await Promise.all([
  makeAuthority('Staff root'),
  makeAuthority('Another root'),
  makeSigningKey('id-1'),
]);
const staffFile = file('staff.pem', staff.certificatePem);
const alice = await staff.issue({ name: 'alice' });

const { certificatePem: cert, keyPem } = await staff.issue({ name: 'identity provider' });
const provider = createServer({ cert, key: keyPem }, (_request, response) => {
  response.end(JSON.stringify({ keys: [providerKey.jwk] }));
});
await listenOn(provider);

const ISSUER = 'https://id.bank.example/realms/staff';
const bank = await startBankWithTpps({
  settings: {
    operator: {
      tls: { certificateFile: 'transport.pem', keyFile: 'transport.key', clientCaFile: staffFile },
      oidc: {
        ...{ issuer: ISSUER, audience: 'tidings', caFile: staffFile, nameClaim: 'preferred_username' },
        jwksUrl: `https://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`,
        rolesClaim: 'realm_access.roles',
        roles: { viewer: ['notify-viewer'], administrator: ['notify-admin'] },
      },
    },
  },
});
const ca = bank.authority.certificatePem;
const client = createHttpClient(bank.service.operatorUrl, { ca, cert: alice.certificatePem, key: alice.keyPem });
after(async () => {
  client.close();
  provider.closeAllConnections();
  provider.close();
  await bank.stop();
  rmSync(folder, { recursive: true });
});

function tokenOf(roles: readonly string[], changed: object = {}): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    ...{ iss: ISSUER, aud: 'tidings', sub: 'f3b1', preferred_username: 'alice', realm_access: { roles } },
    ...{ iat: nowSeconds, exp: nowSeconds + 60, ...changed },
  };
  return signCompact({ alg: 'PS256', kid: 'id-1', typ: 'JWT' }, claims, providerKey.keyPem);
}

async function call(method: string, path: string, token: string, body?: object) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const answer = await client.send(`/operator/v1${path}`, { method, headers, body: sent });
  const { detail } = answer.body.length === 0 ? { detail: undefined } : JSON.parse(answer.body.toString());
  return { status: answer.status, detail };
}

const TPP = { organisationId: 'o', softwareStatementId: 's', jwksUrl: 'https://keys.example/jwks' };

test('staff of the identity provider may do what their roles allow, beside the tokens of the configuration', async () => {
  const viewer = tokenOf(['notify-viewer', 'offline_access']);
  assert.equal((await call('GET', '/tpps', viewer)).status, 200);
  assert.deepEqual(await call('PUT', '/tpps/tpp-x', viewer, TPP), {
    status: 403,
    detail: 'This needs the role administrator; "alice" has viewer.',
  });
  assert.equal((await call('PUT', '/tpps/tpp-x', tokenOf(['notify-admin']), TPP)).status, 204);
  assert.equal((await call('DELETE', '/tpps/tpp-x', OPERATOR_TOKEN)).status, 204);
});

test('a good token that gives no role is 403, and told which claim was looked at', async () => {
  const looked = 'none of the values of its claim "realm_access.roles" is mapped in "operator.oidc.roles"';
  for (const roles of [[], ['offline_access']]) {
    const detail = `The token of "alice" gives no role here: ${looked}.`;
    assert.deepEqual(await call('GET', '/tpps', tokenOf(roles)), { status: 403, detail });
  }
});

test('a token of the identity provider that is not good is 401, and told why', async () => {
  const neither = 'The token is not one of "operator.tokens", nor one that the identity provider gave for this API';
  const expired = tokenOf(['notify-admin'], { exp: 1 });
  assert.deepEqual(await call('GET', '/tpps', expired), {
    status: 401,
    detail: `${neither}: exp does not allow its use now.`,
  });
  assert.deepEqual(await call('GET', '/tpps', tokenOf(['notify-admin'], { aud: 'intranet' })), {
    status: 401,
    detail: `${neither}: aud is not what it must be.`,
  });
  assert.equal((await call('GET', '/tpps', `${OPERATOR_TOKEN}x`)).status, 401);
});

test('with operator.tls.clientCaFile a client certificate that leads there is demanded, beside the token', async () => {
  const other = await stranger.issue({ name: 'alice' });
  for (const identity of [{}, { cert: other.certificatePem, key: other.keyPem }]) {
    const without = createHttpClient(bank.service.operatorUrl, { ca, ...identity });
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
    await assert.rejects(without.send('/operator/v1/tpps', { headers }));
    await assert.rejects(without.send('/operator/v1/openapi/operator.json'));
    without.close();
  }
  assert.equal((await client.send('/operator/v1/tpps')).status, 401);
});

test('the command line shows a client certificate, and says so when one is missing', async () => {
  const environment = {
    TIDINGS_OPERATOR_URL: bank.service.operatorUrl,
    TIDINGS_CA_FILE: file('bank.pem', ca),
    TIDINGS_TOKEN_FILE: file('token', tokenOf(['notify-viewer'])),
  };
  const missing = await runCli(['status'], environment);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /If it requires a client certificate, give one with --certificate-file and --key-file/);
  const flags = [
    '--certificate-file',
    file('alice.pem', alice.certificatePem),
    '--key-file',
    file('alice.key', alice.keyPem),
  ];
  const shown = await runCli(['status', ...flags], environment);
  assert.equal(shown.code, 0, shown.stderr);
  assert.equal((await runCli(['status', ...flags.slice(0, 2)], environment)).code, 2);
});
