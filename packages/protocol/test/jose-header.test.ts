import assert from 'node:assert/strict';
import { createHmac, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HEADER_IAT, HEADER_ISS, HEADER_TAN, signCompact, signDetached } from '../src/index.ts';
import { BYTE_ORDER_MARK, concat, json, utf8 } from './support/bytes.ts';
import { compact, expecting, FORMS, header, pss, type Signing } from './support/forge.ts';
import { CLOCK_SKEW_SECONDS, NOW_SECONDS, stranger, tpp } from './support/parties.ts';
import { acceptsHeader, refusesHeader, refusesJws } from './support/refusals.ts';

const BODY = utf8('{"Data":{"Version":"4.0"}}');
const URIS = [HEADER_IAT, HEADER_ISS, HEADER_TAN];

test('a header that follows every rule is accepted in both forms, so that the refusals below are meaningful', async () => {
  for (const form of FORMS) {
    assert.deepEqual(await form.verify(form.forge(header(), BODY), BODY), {
      kid: tpp.identity.kid,
      iss: tpp.identity.iss,
      tan: 'openbanking.org.uk',
      iatSeconds: NOW_SECONDS - 1,
      unencodedPayload: false,
    });
  }
});

describe('the verifier refuses any other `alg`', () => {
  const rsa = (hash: string): Signing => {
    return (input) => new Uint8Array(sign(hash, input, tpp.privateKey));
  };
  const hmac: Signing = (input) => {
    const publicKeyAsSecret = JSON.stringify(tpp.jwk);
    return new Uint8Array(createHmac('sha256', publicKeyAsSecret).update(input).digest());
  };
  const others: readonly (readonly [string, Signing])[] = [
    ['none', () => new Uint8Array([0])],
    ['HS256', hmac],
    ['RS256', rsa('sha256')],
    ['PS384', pss(48, tpp.privateKey, 'sha384')],
    ['PS512', pss(64, tpp.privateKey, 'sha512')],
    ['ES256', () => new Uint8Array(64)],
    ['ps256', pss()],
    ['', pss()],
    ['PS256 ', pss()],
  ];
  for (const [alg, signing] of others) {
    test(`alg '${alg}', signed as it says`, async () => {
      await refusesHeader({ header: header({ alg }), signing, code: 'SignatureInvalidClaim', member: 'alg' });
    });
    test(`alg '${alg}' over a good PS256 signature`, async () => {
      await refusesHeader({ header: header({ alg }), code: 'SignatureInvalidClaim', member: 'alg' });
    });
  }

  test('alg none with an empty signature is malformed', async () => {
    for (const form of FORMS) {
      const unsigned = form.forge(header({ alg: 'none' }), BODY, () => new Uint8Array());
      await refusesJws(form.verify(unsigned, BODY), 'SignatureMalformed');
    }
  });

  for (const alg of [null, 256, ['PS256'], { PS256: true }]) {
    test(`alg ${JSON.stringify(alg)}, which is no string`, async () => {
      await refusesHeader({ header: header({ alg }), code: 'SignatureInvalidClaim', member: 'alg' });
    });
  }
});

describe('the verifier refuses any header member not listed (`jwk`, `jku`, `x5u`, `x5c`, `x5t` …)', () => {
  const url = 'https://stranger.example/keys';
  const members: Record<string, unknown> = {
    jwk: stranger.jwk,
    jku: url,
    x5u: url,
    x5c: ['MIIB'],
    x5t: 'AAAA',
    'x5t#S256': 'AAAA',
    zip: 'DEF',
    enc: 'A256GCM',
    'http://openbanking.org.uk/unknown': 1,
    unknown: 'x',
    '': 'x',
    ALG: 'PS256',
    constructor: 'x',
    toString: 'x',
  };
  for (const [member, value] of Object.entries(members)) {
    test(`the member '${member}'`, async () => {
      await refusesHeader({ header: header({ [member]: value }), code: 'SignatureInvalidClaim', member });
    });
  }

  test("the member '__proto__'", async () => {
    const text = JSON.stringify(header()).replace('{', '{"__proto__":{"alg":"PS256"},');
    await refusesHeader({ header: utf8(text), code: 'SignatureInvalidClaim', member: '__proto__' });
  });

  test('a member named in crit does not become a listed one', async () => {
    const changed = header({ exp: NOW_SECONDS, crit: [...URIS, 'exp'] });
    await refusesHeader({ header: changed, code: 'SignatureInvalidClaim', member: 'exp' });
  });

  test('any member whatever', async () => {
    const listed = new Set(['alg', 'kid', 'typ', 'cty', 'crit', 'b64', ...URIS]);
    const unlisted = fc.string({ unit: 'grapheme' }).filter((name) => !listed.has(name) && name !== '__proto__');
    await fc.assert(
      fc.asyncProperty(unlisted, fc.jsonValue(), async (member, value) => {
        await refusesHeader({ header: header({ [member]: value }), code: 'SignatureInvalidClaim' });
      }),
      { numRuns: 50 },
    );
  });
});

describe('the verifier refuses a header that lacks a member', () => {
  for (const member of ['alg', 'kid', 'crit', ...URIS]) {
    test(`without ${member}`, async () => {
      await refusesHeader({ header: header({ [member]: undefined }), code: 'SignatureMissingClaim', member });
    });
  }

  test('an empty header', async () => {
    await refusesHeader({ header: {}, code: 'SignatureMissingClaim' });
  });

  for (const text of ['', '[]', 'null', '"PS256"', '1', '{', '{}x', "{'alg':'PS256'}", '{"alg":"PS256",}']) {
    test(`a header segment that is ${text === '' ? 'empty' : text}`, async () => {
      await refusesHeader({ header: utf8(text), code: 'SignatureMalformed' });
    });
  }

  for (const kid of ['', null, 1, ['tpp-signing-key-1'], {}]) {
    test(`kid ${JSON.stringify(kid)}, which names nothing`, async () => {
      await refusesHeader({ header: header({ kid }), code: 'SignatureInvalidClaim', member: 'kid' });
    });
  }
});

describe('the verifier refuses `crit` absent, not an array, with duplicates, with anything missing or more', () => {
  test('absent', async () => {
    await refusesHeader({ header: header({ crit: undefined }), code: 'SignatureMissingClaim', member: 'crit' });
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['not an array: null', null],
    ['not an array: true', true],
    ['not an array: the URIs as one text', URIS.join(',')],
    ['not an array: an object that looks like one', { 0: HEADER_IAT, 1: HEADER_ISS, 2: HEADER_TAN, length: 3 }],
    ['empty', []],
    ['with duplicates beside all three', [...URIS, HEADER_TAN]],
    ['with duplicates in the place of one', [HEADER_IAT, HEADER_IAT, HEADER_ISS]],
    ['with iat missing', [HEADER_ISS, HEADER_TAN]],
    ['with iss missing', [HEADER_IAT, HEADER_TAN]],
    ['with tan missing', [HEADER_IAT, HEADER_ISS]],
    ['with b64 more', [...URIS, 'b64']],
    ['with alg more', [...URIS, 'alg']],
    ['with an empty text more', [...URIS, '']],
    ['with null more', [...URIS, null]],
    ['with kid in the place of tan', [HEADER_IAT, HEADER_ISS, 'kid']],
    ['with a URI in other case', [HEADER_IAT, HEADER_ISS, 'http://openbanking.org.uk/TAN']],
    ['nested in an array', [URIS]],
  ];
  for (const [how, crit] of refused) {
    test(how, async () => {
      await refusesHeader({ header: header({ crit }), code: 'SignatureInvalidClaim', member: 'crit' });
    });
  }

  test('the three URIs are accepted in any order', async () => {
    for (const [a, b, c] of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ] as const) {
      await acceptsHeader(header({ crit: [URIS[a], URIS[b], URIS[c]] }));
    }
  });
});

describe('the verifier refuses duplicate JSON members in the header', () => {
  const twice: readonly (readonly [string, string])[] = [
    ['alg, the wrong one first', '{"alg":"none",'],
    ['alg, twice the same', '{"alg":"PS256",'],
    ['kid', '{"kid":"stranger-signing-key-1",'],
    ['alg, spelt with \\u escapes', '{"\\u0061l\\u0067":"none",'],
    ['iss, spelt with an escaped slash', '{"http:\\/\\/openbanking.org.uk\\/iss":"x",'],
    ['crit', '{"crit":[],'],
  ];
  for (const [what, start] of twice) {
    test(what, async () => {
      const bytes = utf8(JSON.stringify(header()).replace('{', start));
      await refusesHeader({ header: bytes, code: 'SignatureMalformed' });
    });
  }

  test('and members with \\u escapes are themselves no reason to refuse', async () => {
    await acceptsHeader(utf8(JSON.stringify(header()).replace('"alg"', '"\\u0061lg"')));
  });
});

describe('the verifier refuses a BOM', () => {
  test('before the header', async () => {
    await refusesHeader({ header: concat(BYTE_ORDER_MARK, json(header())), code: 'SignatureMalformed' });
  });

  test('and a header in UTF-16 or with bytes that are not UTF-8', async () => {
    const utf16 = new Uint8Array(Buffer.from(JSON.stringify(header()), 'utf16le'));
    await refusesHeader({ header: utf16, code: 'SignatureMalformed' });
    const latin1 = new Uint8Array(Buffer.from(JSON.stringify(header({ kid: 'clé' })), 'latin1'));
    await refusesHeader({ header: latin1, code: 'SignatureMalformed' });
  });

  test('and a header nested deeper than 32 levels', async () => {
    const deep = utf8(JSON.stringify(header()).replace('{', `{"x":${'['.repeat(32)}${']'.repeat(32)},`));
    await refusesHeader({ header: deep, code: 'SignatureMalformed' });
  });
});

describe('http://openbanking.org.uk/iat is a JSON number, in the past', () => {
  const latest = NOW_SECONDS + CLOCK_SKEW_SECONDS;

  test('missing', async () => {
    await refusesHeader({
      header: header({ [HEADER_IAT]: undefined }),
      code: 'SignatureMissingClaim',
      member: HEADER_IAT,
    });
  });

  for (const iat of [String(NOW_SECONDS), '2017-06-12T20:05:50+00:00', null, true, [NOW_SECONDS], {}, -1, -0.5]) {
    test(`${JSON.stringify(iat)} is refused`, async () => {
      await refusesHeader({ header: header({ [HEADER_IAT]: iat }), code: 'SignatureInvalidClaim', member: HEADER_IAT });
    });
  }

  for (const iat of [latest + 1, latest + 0.001, NOW_SECONDS * 1000, Number.MAX_VALUE]) {
    test(`${iat} is in the future beyond the clock skew`, async () => {
      await refusesHeader({ header: header({ [HEADER_IAT]: iat }), code: 'SignatureInvalidClaim', member: HEADER_IAT });
    });
  }

  test('a number too large for any clock is refused', async () => {
    const text = JSON.stringify(header()).replace(String(NOW_SECONDS - 1), '1e999');
    await refusesHeader({ header: utf8(text), code: 'SignatureInvalidClaim', member: HEADER_IAT });
  });

  for (const iat of [latest, NOW_SECONDS + 1, NOW_SECONDS, NOW_SECONDS - 86_400 * 365]) {
    test(`${iat - NOW_SECONDS} s from now is accepted`, async () => {
      await acceptsHeader(header({ [HEADER_IAT]: iat }));
    });
  }

  test('a clock skew of 0 accepts this second, and no later one', async () => {
    const strict = expecting({ clockSkewSeconds: 0 });
    await acceptsHeader(header({ [HEADER_IAT]: NOW_SECONDS }), strict);
    const later = compact.forge(header({ [HEADER_IAT]: NOW_SECONDS + 0.5 }), BODY);
    await refusesJws(compact.verify(later, BODY, strict), 'SignatureInvalidClaim', HEADER_IAT);
  });

  test('a fraction is accepted', async () => {
    for (const form of FORMS) {
      const jws = form.forge(header({ [HEADER_IAT]: NOW_SECONDS - 0.25 }), BODY);
      assert.equal((await form.verify(jws, BODY)).iatSeconds, NOW_SECONDS - 0.25);
    }
  });

  test('a fraction is never emitted', async () => {
    const jwss = [
      await signCompact(BODY, tpp.signer, NOW_SECONDS - 0.25),
      await signDetached(BODY, tpp.signer, NOW_SECONDS - 0.25),
      await signDetached(BODY, tpp.signer, NOW_SECONDS - 0.25, { unencodedPayload: true }),
    ];
    for (const jws of jwss) {
      const emitted = Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString();
      assert.ok(emitted.includes(`"${HEADER_IAT}":${NOW_SECONDS - 1},`), emitted);
    }
  });
});

describe("the verifier refuses an `iss` that is not that TPP's", () => {
  const { iss } = tpp.identity;
  const [organisation = ''] = iss.split('/');
  const others = [stranger.identity.iss, organisation, `${iss} `, iss.toLowerCase(), `${iss}/x`, '', null, 1, [iss]];
  for (const other of others) {
    test(`iss ${JSON.stringify(other)}`, async () => {
      const changed = header({ [HEADER_ISS]: other });
      await refusesHeader({ header: changed, code: 'SignatureInvalidClaim', member: HEADER_ISS });
    });
  }

  test('a subject DN is compared as parsed RDNs', async () => {
    const expected = expecting({ iss: '2.5.4.97=PSDGB-FCA-123456,CN=tpp.example,O=Example TPP,C=GB' });
    const spelt = 'organizationIdentifier=PSDGB-FCA-123456, cn=tpp.example, O=example  tpp, C=GB';
    await acceptsHeader(header({ [HEADER_ISS]: spelt }), expected);
    const other = compact.forge(header({ [HEADER_ISS]: spelt.replace('123456', '123457') }), BODY);
    await refusesJws(compact.verify(other, BODY, expected), 'SignatureInvalidClaim', HEADER_ISS);
  });

  test('a subject DN is never the identifier of a TPP of the Directory', async () => {
    const changed = header({ [HEADER_ISS]: `CN=${iss}` });
    await refusesHeader({ header: changed, code: 'SignatureInvalidClaim', member: HEADER_ISS });
  });
});

describe('http://openbanking.org.uk/tan is a trust anchor on the allow-list', () => {
  const refused = [
    'stranger.example',
    'OpenBanking.org.uk',
    'openbanking.org.uk.',
    'https://openbanking.org.uk',
    '',
    null,
  ];
  for (const tan of refused) {
    test(`${JSON.stringify(tan)} is refused`, async () => {
      await refusesHeader({ header: header({ [HEADER_TAN]: tan }), code: 'SignatureInvalidClaim', member: HEADER_TAN });
    });
  }

  test('every entry of the list is accepted, and an empty list accepts none', async () => {
    const expected = expecting({ trustAnchors: ['openbanking.org.uk', 'eidas.example'] });
    await acceptsHeader(header({ [HEADER_TAN]: 'eidas.example' }), expected);
    const jws = compact.forge(header(), BODY);
    await refusesJws(compact.verify(jws, BODY, expecting({ trustAnchors: [] })), 'SignatureInvalidClaim', HEADER_TAN);
  });
});

describe('optional `typ` is JOSE, optional `cty` is json or application/json', () => {
  for (const members of [{ typ: 'JOSE' }, { cty: 'json' }, { cty: 'application/json' }, { typ: 'JOSE', cty: 'json' }]) {
    test(`${JSON.stringify(members)} is accepted`, () => acceptsHeader(header(members)));
  }
  for (const typ of ['JWT', 'secevent+jwt', 'JOSE+JSON', '', null, ['JOSE'], 1]) {
    test(`typ ${JSON.stringify(typ)} is refused`, async () => {
      await refusesHeader({ header: header({ typ }), code: 'SignatureInvalidClaim', member: 'typ' });
    });
  }
  for (const cty of ['JWT', 'text/plain', 'application/json; charset=utf-8', '', null, ['json']]) {
    test(`cty ${JSON.stringify(cty)} is refused`, async () => {
      await refusesHeader({ header: header({ cty }), code: 'SignatureInvalidClaim', member: 'cty' });
    });
  }
});

describe('what is emitted is the header of section 5 and nothing but these members', () => {
  const emitted = (jws: string): unknown => JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString());
  const expected = {
    alg: 'PS256',
    kid: tpp.identity.kid,
    [HEADER_IAT]: NOW_SECONDS,
    [HEADER_ISS]: tpp.identity.iss,
    [HEADER_TAN]: 'openbanking.org.uk',
    crit: URIS,
  };

  test('in tokens and detached signatures: no typ, no cty, no b64', async () => {
    assert.deepEqual(emitted(await signCompact(BODY, tpp.signer, NOW_SECONDS)), expected);
    assert.deepEqual(emitted(await signDetached(BODY, tpp.signer, NOW_SECONDS)), expected);
    const plain = await signDetached(BODY, tpp.signer, NOW_SECONDS, { unencodedPayload: false });
    assert.deepEqual(emitted(plain), expected);
  });

  test('for v3.1.2 and v3.1.3: b64 false, and the fourth member of crit', async () => {
    const jws = await signDetached(BODY, tpp.signer, NOW_SECONDS, { unencodedPayload: true });
    assert.deepEqual(emitted(jws), { ...expected, b64: false, crit: ['b64', ...URIS] });
  });
});
