import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HEADER_IAT, HEADER_ISS, HEADER_TAN } from '../src/index.ts';
import { utf8 } from './support/bytes.ts';
import { compact, detached, expecting, forgeUnencoded, header, unencodedHeader } from './support/forge.ts';
import { refusesHeader, refusesJws } from './support/refusals.ts';

const BODY = utf8('{"Data":{"Version":"4.0"}}');
const URIS = [HEADER_IAT, HEADER_ISS, HEADER_TAN];

describe('`b64` where it is not enabled must be absent', () => {
  for (const b64 of [false, true, null, 'false', 0]) {
    test(`b64 ${JSON.stringify(b64)} is refused, with and without its place in crit`, async () => {
      await refusesHeader({ header: header({ b64 }), code: 'SignatureInvalidClaim', member: 'b64' });
      await refusesHeader({ header: unencodedHeader({ b64 }), code: 'SignatureInvalidClaim', member: 'b64' });
      const raw = forgeUnencoded(unencodedHeader({ b64 }), BODY);
      await refusesJws(detached.verify(raw, BODY), 'SignatureInvalidClaim', 'b64');
    });
  }
});

describe('`b64` where the operator enables it', () => {
  const enabled = expecting({ unencodedPayloadAccepted: true });

  test('false, and a fourth member of crit, is accepted in any order', async () => {
    for (const crit of [
      ['b64', ...URIS],
      [...URIS, 'b64'],
      [HEADER_TAN, 'b64', HEADER_ISS, HEADER_IAT],
    ]) {
      const jws = forgeUnencoded(unencodedHeader({ crit }), BODY);
      assert.equal((await detached.verify(jws, BODY, enabled)).unencodedPayload, true);
    }
  });

  test('absent is accepted as the newer form', async () => {
    const seen = await detached.verify(detached.forge(header(), BODY), BODY, enabled);
    assert.equal(seen.unencodedPayload, false);
  });

  for (const b64 of [true, null, 'false', 0]) {
    test(`${JSON.stringify(b64)} is refused`, async () => {
      for (const forge of [detached.forge, forgeUnencoded]) {
        const jws = forge(unencodedHeader({ b64 }), BODY);
        await refusesJws(detached.verify(jws, BODY, enabled), 'SignatureInvalidClaim', 'b64');
      }
    });
  }

  const crits: readonly (readonly [string, unknown])[] = [
    ['without b64', URIS],
    ['with b64 in the place of tan', ['b64', HEADER_IAT, HEADER_ISS]],
    ['with b64 twice', ['b64', 'b64', ...URIS]],
    ['with b64 twice and tan missing', ['b64', 'b64', HEADER_IAT, HEADER_ISS]],
  ];
  for (const [how, crit] of crits) {
    test(`false with a crit ${how} is refused`, async () => {
      const jws = forgeUnencoded(unencodedHeader({ crit }), BODY);
      await refusesJws(detached.verify(jws, BODY, enabled), 'SignatureInvalidClaim', 'crit');
    });
  }

  test('b64 in crit, but not in the header, is refused', async () => {
    const jws = detached.forge(header({ crit: ['b64', ...URIS] }), BODY);
    await refusesJws(detached.verify(jws, BODY, enabled), 'SignatureInvalidClaim', 'crit');
  });

  test('a signature over the encoded body is not one over the raw body, nor the reverse', async () => {
    const encoded = detached.forge(unencodedHeader(), BODY);
    await refusesJws(detached.verify(encoded, BODY, enabled), 'SignatureInvalid');
    const raw = forgeUnencoded(header(), BODY);
    await refusesJws(detached.verify(raw, BODY, enabled), 'SignatureInvalid');
  });

  test('it never applies to tokens', async () => {
    const token = compact.forge(unencodedHeader(), BODY);
    await refusesJws(compact.verify(token, BODY, enabled), 'SignatureInvalidClaim', 'b64');
  });
});
