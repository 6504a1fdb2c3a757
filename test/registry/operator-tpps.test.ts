import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BankService, NOTHING_REGISTERED, OPERATOR, startBank, tppOf } from './bank-service.ts';

// The TPP registry of the operator API, over real TLS. Every answer is also checked against the OpenAPI document.

let bank: BankService;
before(async () => {
  bank = await startBank();
});
after(() => bank.stop());

const put = (clientId: string, body: object = tppOf(bank), headers: Record<string, string> = {}) =>
  bank.call('PUT', `/operator/v1/tpps/${clientId}`, { body, headers });
const get = (clientId: string) => bank.call('GET', `/operator/v1/tpps/${clientId}`);

describe('adding and changing', () => {
  test('a TPP that was put is read back as it was put, and is not suspended', async () => {
    assert.equal((await put('added')).status, 204);
    const { status, body } = await get('added');
    assert.equal(status, 200);
    assert.deepEqual(body, { clientId: 'added', ...tppOf(bank), ...NOTHING_REGISTERED });
  });

  test('keys may be a URL, with the certificate subject and the scopes that the bank allows', async () => {
    const { jwks: _jwks, ...ids } = tppOf(bank);
    const facts = {
      ...ids,
      jwksUrl: 'https://keystore.directory.example/tpp.jwks',
      revokedJwksUrl: 'https://keystore.directory.example/revoked/tpp.jwks',
      certificateSubject: bank.pki.tpp.transport.subjectDn,
      scopes: ['accounts', 'eventpolling'],
    };
    assert.equal((await put('by-url', facts)).status, 204);
    assert.deepEqual((await get('by-url')).body, { clientId: 'by-url', ...facts, ...NOTHING_REGISTERED });
  });

  test('a PUT replaces everything but the suspension', async () => {
    await put('changed', { ...tppOf(bank), scopes: ['accounts'] });
    await bank.call('POST', '/operator/v1/tpps/changed/suspend');
    await put('changed', { ...tppOf(bank), organisationId: 'other' });
    const { body } = await get('changed');
    assert.equal(body.organisationId, 'other');
    assert.equal(body.scopes, undefined);
    assert.equal(body.isSuspended, true);
  });

  const { keys } = { keys: [] };
  const refused: readonly (readonly [string, (tpp: Record<string, unknown>) => object, string, RegExp])[] = [
    ['no keys at all', ({ jwks: _jwks, ...tpp }) => tpp, 'jwks', /jwksUrl/],
    ['keys and their URL', (tpp) => ({ ...tpp, jwksUrl: 'https://a.example/' }), 'jwksUrl', /one of them/],
    [
      'a JWKS URL without TLS',
      ({ jwks: _j, ...tpp }) => ({ ...tpp, jwksUrl: 'http://a.example/' }),
      'jwksUrl',
      /https/,
    ],
    [
      'a JWKS URL with a password',
      ({ jwks: _j, ...tpp }) => ({ ...tpp, jwksUrl: 'https://a:b@c.example/' }),
      'jwksUrl',
      /password/,
    ],
    [
      'a list of revoked keys beside an inline JWKS',
      (tpp) => ({ ...tpp, revokedJwksUrl: 'https://a.example/' }),
      'revokedJwksUrl',
      /take a revoked key out of the inline jwks/,
    ],
    [
      'a list of revoked keys without TLS',
      ({ jwks: _j, ...tpp }) => ({ ...tpp, jwksUrl: 'https://a.example/', revokedJwksUrl: 'http://a.example/' }),
      'revokedJwksUrl',
      /https/,
    ],
    ['an empty JWKS', (tpp) => ({ ...tpp, jwks: { keys } }), 'jwks', /no usable signing key/],
    ['an unknown scope', (tpp) => ({ ...tpp, scopes: ['accounts', 'everything'] }), 'scopes[1]', /fundsconfirmations/],
    ['no scope', (tpp) => ({ ...tpp, scopes: [] }), 'scopes', /omit it/],
    ['a scope twice', (tpp) => ({ ...tpp, scopes: ['accounts', 'accounts'] }), 'scopes', /duplicate/],
    ['a subject that is no DN', (tpp) => ({ ...tpp, certificateSubject: 'the TPP' }), 'certificateSubject', /RFC 4514/],
    ['an unknown field', (tpp) => ({ ...tpp, isSuspended: true }), 'isSuspended', /remove it/],
    ['an empty organisation id', (tpp) => ({ ...tpp, organisationId: '' }), 'organisationId', /characters/],
  ];
  for (const [what, change, field, remedy] of refused) {
    test(`${what} is refused with the field and the remedy, and nothing is kept`, async () => {
      const { status, headers, body } = await put('refused', change(tppOf(bank)));
      assert.equal(status, 400);
      assert.match(String(headers['content-type']), /^application\/problem\+json/);
      assert.equal(body.field, field);
      assert.match(body.detail, remedy);
      assert.equal((await get('refused')).status, 404);
    });
  }

  test('a private key is refused by its member, and not kept', async () => {
    const jwk = { ...bank.pki.tpp.signing.publicJwk, d: 'c2VjcmV0' };
    const { status, body } = await put('secret', { ...tppOf(bank), jwks: { keys: [jwk] } });
    assert.equal(status, 400);
    assert.equal(body.field, 'jwks.keys[0].d');
    assert.doesNotMatch(body.detail, /c2VjcmV0/);
  });

  test('a client_id must be printable ASCII of at most 128 characters', async () => {
    assert.equal((await put('a'.repeat(128))).status, 204);
    assert.equal((await put('a'.repeat(129))).body.field, 'clientId');
    assert.equal((await put(encodeURIComponent('tpp\n1'))).body.field, 'clientId');
    await bank.call('DELETE', `/operator/v1/tpps/${'a'.repeat(128)}`);
  });
});

describe('preconditions', () => {
  test('If-None-Match: * adds only what is not there, also when many try at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => put('new', tppOf(bank), { 'if-none-match': '*' })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, ...new Array(9).fill(412)]);
  });

  test('If-None-Match that asks for anything else is refused, and nothing is kept', async () => {
    for (const value of ['"a"', '"a", *', '']) {
      const { status, body } = await put('not-new', tppOf(bank), { 'if-none-match': value });
      assert.deepEqual([status, body.field], [400, 'If-None-Match'], value);
    }
    assert.equal((await get('not-new')).status, 404);
  });

  test('If-Match changes only what is as it was read', async () => {
    await put('matched');
    const { headers } = await get('matched');
    const etag = String(headers['etag']);
    const first = await put('matched', { ...tppOf(bank), organisationId: 'first' }, { 'if-match': etag });
    assert.equal(first.status, 204);
    const second = await put('matched', { ...tppOf(bank), organisationId: 'second' }, { 'if-match': etag });
    assert.equal(second.status, 412);
    assert.equal((await get('matched')).body.organisationId, 'first');
    assert.equal((await get('matched')).headers['etag'], first.headers['etag']);
    assert.equal((await put('never-there', tppOf(bank), { 'if-match': '*' })).status, 412);
  });
});

describe('listing', () => {
  test('pages hold every TPP once, in the order of their client_ids', async () => {
    const wanted = ['page-1', 'page-2', 'page-3', 'page-4', 'page-5'];
    for (const clientId of wanted) await put(clientId);
    const found: string[] = [];
    let path: string | undefined = '/operator/v1/tpps?limit=2&after=page';
    while (path !== undefined) {
      const { body } = await bank.call('GET', path);
      assert.ok(body.tpps.length <= 2);
      found.push(...body.tpps.map(({ clientId }: { clientId: string }) => clientId));
      path = body.next === undefined ? undefined : `/operator/v1/tpps?limit=2&after=${body.next}`;
    }
    assert.deepEqual(
      found.filter((clientId) => clientId.startsWith('page-')),
      wanted,
    );
    assert.equal(new Set(found).size, found.length);
  });

  test('a TPP in a list has the kids of its inline keys, not the keys', async () => {
    await put('listed');
    const { body } = await bank.call('GET', '/operator/v1/tpps?after=liste&limit=1');
    const { jwks: _jwks, ...ids } = tppOf(bank);
    assert.deepEqual(body.tpps, [
      { clientId: 'listed', ...ids, kids: [bank.pki.tpp.signing.kid], ...NOTHING_REGISTERED },
    ]);
  });

  for (const [query, field] of [
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['after=a&after=b', 'after'],
    ['offset=3', 'offset'],
  ]) {
    test(`?${query} is refused by name`, async () => {
      const { status, body } = await bank.call('GET', `/operator/v1/tpps?${query}`);
      assert.equal(status, 400);
      assert.equal(body.field, field);
    });
  }
});

describe('suspending and removing', () => {
  test('suspending and resuming show in the TPP, and doing either twice is as once', async () => {
    await put('paused');
    for (const [operation, isSuspended] of [
      ['suspend', true],
      ['suspend', true],
      ['resume', false],
      ['resume', false],
    ] as const) {
      const { status, body } = await bank.call('POST', `/operator/v1/tpps/paused/${operation}`);
      assert.equal(status, 200);
      assert.equal(body.isSuspended, isSuspended);
      assert.equal((await get('paused')).body.isSuspended, isSuspended);
    }
  });

  test('a removed TPP is gone, with its registrations', async () => {
    await put('removed');
    assert.equal((await bank.call('DELETE', '/operator/v1/tpps/removed')).status, 204);
    assert.equal((await get('removed')).status, 404);
    assert.equal((await bank.call('GET', '/operator/v1/tpps/removed/registrations')).status, 404);
  });

  test('what is not registered is 404 for every operation on it, with the remedy', async () => {
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/suspend'],
      ['POST', '/resume'],
      ['GET', '/registrations'],
    ] as const) {
      const { status, body } = await bank.call(method, `/operator/v1/tpps/nobody${path}`);
      assert.equal(status, 404, `${method} ${path}`);
      assert.match(body.detail, /register it/);
    }
  });

  test('a TPP without registrations shows none', async () => {
    await put('bare');
    assert.deepEqual((await bank.call('GET', '/operator/v1/tpps/bare/registrations')).body, {});
  });
});

describe('the log', () => {
  test("tells every change with the operator's name and what changed, never a key", async () => {
    await put('logged');
    await put('logged', { ...tppOf(bank), scopes: ['accounts'] });
    await bank.call('POST', '/operator/v1/tpps/logged/suspend');
    await bank.call('POST', '/operator/v1/tpps/logged/resume');
    await bank.call('DELETE', '/operator/v1/tpps/logged');
    const line = (message: string) => bank.logged(message).filter(({ clientId }) => clientId === 'logged');
    for (const message of ['TPP added', 'TPP changed', 'TPP suspended', 'TPP resumed', 'TPP removed']) {
      assert.equal(line(message).length, 1, message);
      assert.equal(line(message)[0]?.['operator'], OPERATOR);
    }
    assert.deepEqual(line('TPP changed')[0]?.['changed'], ['scopes']);
    assert.doesNotMatch(JSON.stringify(line('TPP added')), new RegExp(bank.pki.tpp.signing.publicJwk.n));
  });

  test('without the token nothing of the registry is shown or changed', async () => {
    for (const [method, path] of [
      ['GET', '/operator/v1/tpps'],
      ['PUT', '/operator/v1/tpps/stranger'],
      ['DELETE', '/operator/v1/tpps/bare'],
      ['POST', '/operator/v1/tpps/bare/suspend'],
      ['POST', '/operator/v1/tpps/import'],
      ['POST', '/operator/v1/signing-keys/reload'],
    ] as const) {
      assert.equal((await bank.call(method, path, { withToken: false })).status, 401, `${method} ${path}`);
    }
    assert.equal((await get('stranger')).status, 404);
    assert.equal((await get('bare')).body.isSuspended, false);
  });
});
