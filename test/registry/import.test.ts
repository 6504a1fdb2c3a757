import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BankService, NOTHING_REGISTERED, OPERATOR, startBank, tppOf } from './bank-service.ts';
import { STATEMENT } from './directory.ts';

// Importing software statement assertions, which a directory of the test signs.

let bank: BankService;
before(async () => {
  bank = await startBank();
});
after(() => bank.stop());

const IMPORT = '/operator/v1/tpps/import';
const json = (body: object) => bank.call('POST', IMPORT, { body });
const jwt = (body: string, query = '') =>
  bank.call('POST', `${IMPORT}${query}`, { body, headers: { 'content-type': 'application/jwt' } });

describe('importing a software statement assertion', () => {
  test('registers the TPP with the ids and the endpoint of the statement', async () => {
    const { status, body } = await json({ softwareStatement: await bank.directory.sign(), clientId: 'imported' });
    assert.equal(status, 200);
    assert.deepEqual(body, {
      clientId: 'imported',
      organisationId: STATEMENT.org_id,
      softwareStatementId: STATEMENT.software_id,
      jwksUrl: STATEMENT.software_jwks_endpoint,
      revokedJwksUrl: STATEMENT.software_jwks_revoked_endpoint,
      scopes: ['accounts'],
      ...NOTHING_REGISTERED,
    });
    assert.deepEqual((await bank.call('GET', '/operator/v1/tpps/imported')).body, body);
    const [line] = bank.logged('TPP imported').filter(({ clientId }) => clientId === 'imported');
    assert.equal(line?.['operator'], OPERATOR);
  });

  test('takes the assertion alone as application/jwt, with the client_id in the query or of the software', async () => {
    const assertion = await bank.directory.sign();
    assert.equal((await jwt(assertion, '?clientId=by-jwt')).body.clientId, 'by-jwt');
    assert.equal((await jwt(`${assertion}\n`)).body.clientId, STATEMENT.software_id);
  });

  test('keeps what the statement does not say: suspension, retry policy, and the subject unless it is given', async () => {
    const retry = { retriesMax: 3 };
    const access = { certificateSubject: bank.pki.tpp.transport.subjectDn, scopes: ['payments'], retry };
    await bank.call('PUT', '/operator/v1/tpps/kept', { body: { ...tppOf(bank), ...access } });
    await bank.call('POST', '/operator/v1/tpps/kept/suspend');
    const { body } = await json({ softwareStatement: await bank.directory.sign(), clientId: 'kept' });
    assert.equal(body.jwks, undefined);
    assert.equal(body.jwksUrl, STATEMENT.software_jwks_endpoint);
    assert.equal(body.certificateSubject, access.certificateSubject);
    assert.deepEqual(body.retry, retry);
    assert.equal(body.isSuspended, true);
  });

  test('allows the scopes that the roles of the statement need and no others, unless scopes are given', async () => {
    const imported = async (roles: readonly string[] | undefined, given: object = {}) =>
      json({ softwareStatement: await bank.directory.sign({ software_roles: roles }), clientId: 'roles', ...given });
    for (const [roles, scopes] of [
      [['AISP'], ['accounts']],
      [
        ['CBPII', 'PISP', 'ASPSP'],
        ['payments', 'fundsconfirmations'],
      ],
      [
        ['AISP', 'PISP', 'CBPII'],
        ['accounts', 'payments', 'fundsconfirmations'],
      ],
      // A role that was taken away takes its scope with it.
      [['PISP'], ['payments']],
    ] as const) {
      assert.deepEqual((await imported(roles)).body.scopes, scopes);
    }
    for (const roles of [undefined, [], ['ASPSP']]) {
      const { status, body } = await imported(roles);
      assert.deepEqual([status, body.field], [400, 'softwareStatement']);
      assert.match(body.detail, /has no role that needs a scope \(AISP, PISP, CBPII\); give "scopes" beside it\.$/);
    }
    const scopes = ['accounts', 'eventpolling'];
    assert.deepEqual((await imported([], { scopes })).body.scopes, scopes);
  });

  test('refuses a statement that the directory did not sign, and keeps nothing', async () => {
    const { status, body } = await json({ softwareStatement: await bank.directory.forge(), clientId: 'forged' });
    assert.equal(status, 400);
    assert.equal(body.field, 'softwareStatement');
    assert.equal((await bank.call('GET', '/operator/v1/tpps/forged')).status, 404);
  });

  test('refuses a statement of another issuer, one that is old, one without an endpoint, and what is no JWT', async () => {
    const old = Math.floor(Date.now() / 1000) - 365 * 86_400;
    const statements = [
      await bank.directory.sign({ software_jwks_endpoint: undefined }),
      await bank.directory.sign({ software_jwks_endpoint: 'http://keystore.example/a.jwks' }),
      await bank.directory.sign({ org_id: undefined }),
      'not.a.jwt',
      await bank.directory.sign({ iss: 'Another Directory' }),
      await bank.directory.sign({ iat: old }),
    ];
    for (const softwareStatement of statements) {
      const { status, body } = await json({ softwareStatement, clientId: 'refused' });
      assert.equal(status, 400, softwareStatement);
      assert.equal(body.field, 'softwareStatement');
    }
    assert.equal((await bank.call('GET', '/operator/v1/tpps/refused')).status, 404);
  });

  test('names the field of a body that is wrong', async () => {
    const softwareStatement = await bank.directory.sign();
    for (const [wrong, field] of [
      [{ softwareStatement: undefined }, 'softwareStatement'],
      [{ scopes: ['all'] }, 'scopes[0]'],
      [{ scopes: [] }, 'scopes'],
      [{ clientId: 'é' }, 'clientId'],
      [{ clientId: '' }, 'clientId'],
      [{ certificateSubject: 'the TPP' }, 'certificateSubject'],
      [{ jwksUrl: 'https://a.example/' }, 'jwksUrl'],
    ] as const) {
      const { status, body } = await json({ softwareStatement, ...wrong });
      assert.deepEqual([status, body.field], [400, field], JSON.stringify(wrong));
    }
    for (const [query, field] of [
      ['?client=a', 'client'],
      ['?clientId=%C3%A9', 'clientId'],
      ['?clientId=', 'clientId'],
      ['?clientId=a&clientId=b', 'clientId'],
    ] as const) {
      const { status, body } = await jwt(softwareStatement, query);
      assert.deepEqual([status, body.field], [400, field], query);
    }
  });

  test('takes no other type, and no other operation takes application/jwt', async () => {
    const headers = { 'content-type': 'text/plain' };
    const { status, body } = await bank.call('POST', IMPORT, { body: 'a.b.c', headers });
    assert.equal(status, 415);
    assert.match(body.detail, /application\/jwt/);
    const wrong = { body: 'a.b.c', headers: { 'content-type': 'application/jwt' } };
    assert.equal((await bank.call('PUT', '/operator/v1/tpps/imported', wrong)).status, 415);
  });
});

describe('the signing key', () => {
  test('is loaded again on request, and the answer says which is in use', async () => {
    const { status, body } = await bank.call('POST', '/operator/v1/signing-keys/reload');
    assert.equal(status, 200);
    assert.deepEqual(body, { kid: bank.pki.bank.signing.kid, changed: false });
    assert.equal(bank.logged('signing key reloaded')[0]?.['operator'], OPERATOR);
  });
});
