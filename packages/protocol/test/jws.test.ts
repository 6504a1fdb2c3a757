import assert from 'node:assert/strict';
import { verify as verifyWithNode } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  importSigningKeys,
  JWS_CHARS_MAX,
  type KeySource,
  signCompact,
  signDetached,
  verifyCompact,
  verifyDetached,
  verifyPs256,
} from '../src/index.ts';
import { base64url, utf8, withTrailingBits } from './support/bytes.ts';
import { compact, detached, expecting, FORMS, forgeUnencoded, header, pss, unencodedHeader } from './support/forge.ts';
import { NOW_SECONDS, stranger, tpp } from './support/parties.ts';
import { refusesJws } from './support/refusals.ts';

const BODY = utf8('{"Data":{"Version":"4.0"}}');
const unencodedAccepted = expecting({ unencodedPayloadAccepted: true });

describe('signing and verifying', () => {
  test('a signature verifies, in every form', async () => {
    const token = await signCompact(BODY, tpp.signer, NOW_SECONDS);
    assert.deepEqual((await verifyCompact(token, expecting())).payload, BODY);
    const signature = await signDetached(BODY, tpp.signer, NOW_SECONDS);
    assert.equal((await verifyDetached(signature, BODY, expecting())).kid, tpp.identity.kid);
    const raw = await signDetached(BODY, tpp.signer, NOW_SECONDS, { unencodedPayload: true });
    assert.equal((await verifyDetached(raw, BODY, unencodedAccepted)).unencodedPayload, true);
  });

  test('the signature is RSASSA-PSS with SHA-256 and a salt of 32 bytes, as another implementation sees it', async () => {
    const token = await signCompact(BODY, tpp.signer, NOW_SECONDS);
    const [first = '', second = '', third = ''] = token.split('.');
    const key = { key: tpp.privateKey, padding: 6, saltLength: 32 };
    assert.ok(verifyWithNode('sha256', utf8(`${first}.${second}`), key, Buffer.from(third, 'base64url')));
    assert.equal(second, base64url(BODY));
  });

  test('a detached signature is a compact one whose middle segment is empty', async () => {
    const [first, second, third, ...more] = (await signDetached(BODY, tpp.signer, NOW_SECONDS)).split('.');
    assert.equal(second, '');
    assert.deepEqual(more, []);
    await verifyCompact(`${first}.${base64url(BODY)}.${third}`, expecting());
  });

  test('an empty body is signed like any other', async () => {
    const empty = new Uint8Array();
    for (const form of FORMS) await form.verify(form.forge(header(), empty), empty);
    await verifyDetached(forgeUnencoded(unencodedHeader(), empty), empty, unencodedAccepted);
    await verifyDetached(await signDetached(empty, tpp.signer, NOW_SECONDS), empty, expecting());
  });

  test('any bytes are carried unchanged in every form', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const token = await signCompact(bytes, tpp.signer, NOW_SECONDS);
        assert.deepEqual((await verifyCompact(token, expecting())).payload, bytes);
        await verifyDetached(await signDetached(bytes, tpp.signer, NOW_SECONDS), bytes, expecting());
        const raw = await signDetached(bytes, tpp.signer, NOW_SECONDS, { unencodedPayload: true });
        await verifyDetached(raw, bytes, unencodedAccepted);
      }),
      { numRuns: 40 },
    );
  });
});

describe('the body is the exact bytes received', () => {
  const bodies = ['a.b', '.', '...', `${base64url(BODY)}.${base64url(BODY)}`, '{"a":"x.y.z"}', 'é', '\u0000'];
  for (const text of bodies) {
    test(`a body of ${JSON.stringify(text)} verifies, encoded and raw`, async () => {
      const body = utf8(text);
      await verifyDetached(detached.forge(header(), body), body, expecting());
      await verifyDetached(forgeUnencoded(unencodedHeader(), body), body, unencodedAccepted);
    });
  }

  const body = utf8('{ "Data": { "Version": "4.0", "EventTypes": [ ] } }\n');
  const otherBodies: readonly (readonly [string, Uint8Array])[] = [
    ['the same JSON re-serialised', utf8(JSON.stringify(JSON.parse(new TextDecoder().decode(body))))],
    ['without its last line feed', body.slice(0, -1)],
    ['with a space more', utf8(`${new TextDecoder().decode(body)} `)],
    ['with a BOM', utf8(`\uFEFF${new TextDecoder().decode(body)}`)],
    ['with one bit changed', body.map((byte, at) => (at === 5 ? byte ^ 1 : byte))],
    ['as base64url text', utf8(base64url(body))],
    ['empty', new Uint8Array()],
  ];
  for (const [how, other] of otherBodies) {
    test(`a body that is ${how} is refused`, async () => {
      const signature = detached.forge(header(), body);
      await verifyDetached(signature, body, expecting());
      await refusesJws(verifyDetached(signature, other, expecting()), 'SignatureInvalid');
      const raw = forgeUnencoded(unencodedHeader(), body);
      await refusesJws(verifyDetached(raw, other, unencodedAccepted), 'SignatureInvalid');
    });
  }

  test('a token whose payload was altered is refused', async () => {
    const [first, , third] = compact.forge(header(), body).split('.');
    for (const [, other] of otherBodies) {
      await refusesJws(verifyCompact(`${first}.${base64url(other)}.${third}`, expecting()), 'SignatureInvalid');
    }
  });

  test('bytes cannot move between header and body', async () => {
    const signature = forgeUnencoded(unencodedHeader(), utf8('x.y'));
    const [first, , third] = signature.split('.');
    const wandered = verifyDetached(`${first}.x.${third}`, utf8('y'), unencodedAccepted);
    await refusesJws(wandered, 'SignatureMalformed');
  });
});

describe('the verifier refuses non-canonical or padded base64url', () => {
  const segments = ['header', 'payload', 'signature'] as const;
  const spellings: readonly (readonly [string, (segment: string) => string])[] = [
    ['padded', (segment) => segment.padEnd(Math.ceil((segment.length + 1) / 4) * 4, '=')],
    ['with altered trailing bits', withTrailingBits],
    ['with a line feed at the end', (segment) => `${segment}\n`],
    ['with a space in it', (segment) => `${segment.slice(0, 4)} ${segment.slice(4)}`],
    ['with a + in it', (segment) => `${segment.slice(0, 4)}+${segment.slice(5)}`],
    ['with a / in it', (segment) => `${segment.slice(0, 4)}/${segment.slice(5)}`],
    ['with a ? in it', (segment) => `${segment.slice(0, 4)}?${segment.slice(4)}`],
    ['with a letter that only looks like one', (segment) => `${segment.slice(0, 4)}\u0430${segment.slice(5)}`],
    ['with half a surrogate pair', (segment) => `${segment.slice(0, 4)}\ud800${segment.slice(5)}`],
    ['with a NUL', (segment) => `${segment.slice(0, 4)}\u0000${segment.slice(5)}`],
  ];
  // Of such lengths that header and payload end in a character with unused bits.
  const body = utf8('{"Data":{"Version":"4.0" }}x');

  for (const [at, name] of segments.entries()) {
    for (const [how, respell] of spellings) {
      test(`the ${name} ${how}`, async () => {
        for (const form of FORMS) {
          if (form.name === 'detached' && name === 'payload') continue;
          const parts = form.forge(headerWithUnusedBits(), body).split('.');
          const respelt = parts.map((part, index) => (index === at ? respell(part) : part)).join('.');
          assert.notEqual(respelt, parts.join('.'));
          await refusesJws(form.verify(respelt, body), 'SignatureMalformed');
        }
      });
    }
  }

  test('a padded segment is refused even when the signature was made over the padding', async () => {
    const unpadded = base64url(JSON.stringify(headerWithUnusedBits()));
    const first = unpadded.padEnd(Math.ceil(unpadded.length / 4) * 4, '=');
    const third = base64url(pss()(utf8(`${first}.${base64url(body)}`)));
    await refusesJws(verifyCompact(`${first}.${base64url(body)}.${third}`, expecting()), 'SignatureMalformed');
    const good = base64url(JSON.stringify(header()));
    const payload = `${base64url(body)}=`;
    const overPadding = base64url(pss()(utf8(`${good}.${payload}`)));
    await refusesJws(verifyCompact(`${good}.${payload}.${overPadding}`, expecting()), 'SignatureMalformed');
  });

  /** A header whose segment ends in a character with unused bits. */
  function headerWithUnusedBits(): Record<string, unknown> {
    const candidates = [header(), header({ typ: 'JOSE' }), header({ cty: 'json' })];
    return candidates.find((members) => JSON.stringify(members).length % 3 !== 0) ?? assert.fail();
  }
});

describe('the verifier refuses what has not three segments', () => {
  const signature = detached.forge(header(), BODY);
  const token = compact.forge(header(), BODY);
  const malformed: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['one word', 'abc'],
    ['one dot', 'a.b'],
    ['two dots alone', '..'],
    ['no header', signature.slice(signature.indexOf('.'))],
    ['no signature', signature.slice(0, signature.lastIndexOf('.') + 1)],
    ['four segments', `${signature}.AAAA`],
    ['a dot at the end', `${signature}.`],
    ['a dot at the start', `.${signature}`],
    ['five segments, as a JWE has', 'e30.e30.e30.e30.e30'],
    ['the JSON serialisation', JSON.stringify({ protected: '', payload: '', signature: '' })],
  ];
  for (const [how, jws] of malformed) {
    test(how, async () => {
      for (const form of FORMS) await refusesJws(form.verify(jws, BODY), 'SignatureMalformed');
    });
  }

  test('a detached signature whose middle segment is not empty, even when it is the body', async () => {
    await refusesJws(verifyDetached(token, BODY, expecting()), 'SignatureMalformed');
    await refusesJws(verifyDetached(token, BODY, unencodedAccepted), 'SignatureMalformed');
  });

  test('a detached signature given as a token is one of an empty payload', async () => {
    await refusesJws(verifyCompact(signature, expecting()), 'SignatureInvalid');
  });

  test('two signature headers, which arrive joined', async () => {
    const other = detached.forge(header(), utf8('another body'));
    for (const joined of [`${signature}, ${other}`, `${other}, ${signature}`, `${signature}, ${signature}`]) {
      await refusesJws(verifyDetached(joined, BODY, expecting()), 'SignatureMalformed');
    }
    for (const joined of [`${signature},`, `, ${signature}`, `${signature}, x`, `${signature} `, ` ${signature}`]) {
      await refusesJws(verifyDetached(joined, BODY, expecting()), 'SignatureMalformed');
    }
  });
});

describe('the verifier refuses oversize input', () => {
  const atLimit = (prefix: string, suffix: string): Uint8Array => {
    const charsLeft = JWS_CHARS_MAX - prefix.length - suffix.length;
    return new Uint8Array(Math.floor((charsLeft * 3) / 4));
  };

  test('a token over the limit, however well signed', async () => {
    const [first = '', , third = ''] = compact.forge(header(), BODY).split('.');
    const fits = atLimit(`${first}..`, third);
    const token = compact.forge(header(), fits);
    assert.ok(token.length <= JWS_CHARS_MAX && token.length > JWS_CHARS_MAX - 4);
    await verifyCompact(token, expecting());
    const over = compact.forge(header(), new Uint8Array(fits.length + 3));
    await refusesJws(verifyCompact(over, expecting()), 'SignatureMalformed');
  });

  test('a detached signature over the limit', async () => {
    const padded = utf8(`${JSON.stringify(header())}${' '.repeat(JWS_CHARS_MAX)}`);
    await refusesJws(verifyDetached(detached.forge(padded, BODY), BODY, expecting()), 'SignatureMalformed');
    const dots = '.'.repeat(10_000_000);
    await refusesJws(verifyDetached(dots, BODY, expecting()), 'SignatureMalformed');
  });

  test('the body of a detached signature has its own limit elsewhere', async () => {
    const body = new Uint8Array(JWS_CHARS_MAX * 2);
    await verifyDetached(detached.forge(header(), body), body, expecting());
  });
});

describe("the verifier refuses a `kid` that is not in the authenticated TPP's own key set", () => {
  test("a stranger's kid, signed with the stranger's key", async () => {
    const theirs = header({ kid: stranger.identity.kid });
    for (const form of FORMS) {
      const jws = form.forge(theirs, BODY, pss(32, stranger.privateKey));
      await refusesJws(form.verify(jws, BODY), 'SignatureInvalidClaim', 'kid');
      await form.verify(jws, BODY, expecting({ keys: stranger.keys }));
    }
  });

  for (const kid of ['TPP-signing-key-1', 'tpp-signing-key-1 ', '__proto__', 'constructor', 'toString', '../keys']) {
    test(`the kid '${kid}'`, async () => {
      for (const form of FORMS) {
        const jws = form.forge(header({ kid }), BODY);
        await refusesJws(form.verify(jws, BODY), 'SignatureInvalidClaim', 'kid');
      }
    });
  }

  test("the TPP's kid, signed with a stranger's key", async () => {
    for (const form of FORMS) {
      const jws = form.forge(header(), BODY, pss(32, stranger.privateKey));
      await refusesJws(form.verify(jws, BODY), 'SignatureInvalid');
    }
  });

  test('an empty key set has no keys', async () => {
    const keys = await importSigningKeys({ keys: [] });
    for (const form of FORMS) {
      const jws = form.forge(header(), BODY);
      await refusesJws(form.verify(jws, BODY, expecting({ keys })), 'SignatureInvalidClaim', 'kid');
    }
  });

  test('unavailable keys are not an error of the signature', async () => {
    const outage = new Error('the JWKS cannot be fetched');
    const keys: KeySource = { keyFor: () => Promise.reject(outage) };
    for (const form of FORMS) {
      await assert.rejects(form.verify(form.forge(header(), BODY), BODY, expecting({ keys })), outage);
    }
  });

  test('no key is looked up for a header that is refused', async () => {
    const keys: KeySource = { keyFor: () => Promise.reject(new Error('asked for a key')) };
    for (const form of FORMS) {
      const jws = form.forge(header({ jku: 'https://stranger.example/' }), BODY);
      await refusesJws(form.verify(jws, BODY, expecting({ keys })), 'SignatureInvalidClaim', 'jku');
    }
  });
});

describe('the verifier refuses PSS salts other than 32 bytes', () => {
  const saltLengthMax = 256 - 32 - 2;
  for (const saltLength of [0, 20, 31, 33, 64, saltLengthMax]) {
    test(`a salt of ${saltLength} bytes`, async () => {
      for (const form of FORMS) {
        const jws = form.forge(header(), BODY, pss(saltLength));
        await refusesJws(form.verify(jws, BODY), 'SignatureInvalid');
      }
      const raw = forgeUnencoded(unencodedHeader(), BODY, pss(saltLength));
      await refusesJws(verifyDetached(raw, BODY, unencodedAccepted), 'SignatureInvalid');
    });
  }
});

describe('the verifier refuses a signature that does not verify', () => {
  const [first = ''] = compact.forge(header(), BODY).split('.');
  const good = Buffer.from(compact.forge(header(), BODY).split('.')[2] ?? '', 'base64url');
  const signatures: readonly (readonly [string, Uint8Array])[] = [
    ['of one byte', new Uint8Array(1)],
    ['of zeros', new Uint8Array(256)],
    ['cut by one byte', good.subarray(0, -1)],
    ['with a zero in front', Buffer.concat([Buffer.alloc(1), good])],
    ['with a zero at the end', Buffer.concat([good, Buffer.alloc(1)])],
    ['equal to the modulus', Buffer.from(String(tpp.jwk['n']), 'base64url')],
    ['of ones', new Uint8Array(256).fill(255)],
    ['of 10 000 bytes', new Uint8Array(10_000)],
  ];
  for (const [how, signature] of signatures) {
    test(how, async () => {
      const token = `${first}.${base64url(BODY)}.${base64url(signature)}`;
      await refusesJws(verifyCompact(token, expecting()), 'SignatureInvalid');
      await refusesJws(verifyDetached(`${first}..${base64url(signature)}`, BODY, expecting()), 'SignatureInvalid');
    });
  }

  test('the right padding over another digest', async () => {
    for (const form of FORMS) {
      const jws = form.forge(header(), BODY, pss(32, tpp.privateKey, 'sha512'));
      await refusesJws(form.verify(jws, BODY), 'SignatureInvalid');
    }
  });
});

describe('verifyPs256, for the vectors of others', () => {
  const [kid] = tpp.keys.kids;

  test('requires no Open Banking header', async () => {
    const key = await tpp.keys.keyFor(kid ?? '');
    assert.ok(key);
    assert.deepEqual(await verifyPs256(compact.forge({ alg: 'PS256' }, BODY), key), BODY);
  });

  test('and refuses any other alg, and every extension', async () => {
    const key = await tpp.keys.keyFor(kid ?? '');
    assert.ok(key);
    const refused = [{ alg: 'PS384' }, {}, { alg: 'PS256', b64: true }, { alg: 'PS256', b64: false, crit: ['b64'] }];
    for (const members of [...refused, { alg: 'PS256', crit: [] }]) {
      await refusesJws(verifyPs256(compact.forge(members, BODY), key), 'SignatureInvalidClaim');
    }
  });
});
