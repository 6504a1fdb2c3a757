import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { JwsError, verifyPs256 } from '../src/index.ts';
import { base64url, utf8 } from './support/bytes.ts';
import { detached, expecting, FORMS, forgeUnencoded, header, unencodedHeader } from './support/forge.ts';
import { tpp } from './support/parties.ts';

const BODY = utf8('{"Data":{"Version":"4.0","EventTypes":[]}}');
const unencodedAccepted = expecting({ unencodedPayloadAccepted: true });
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** A verification came to an acceptance, or to a JwsError; anything else fails the test. */
async function accepts(verifying: Promise<unknown>): Promise<boolean> {
  try {
    await verifying;
    return true;
  } catch (error) {
    assert.ok(error instanceof JwsError, `not a JwsError: ${String(error)}`);
    return false;
  }
}

const key = await tpp.keys.keyFor(tpp.identity.kid);
assert.ok(key);

/** Checks that every way of verifying refuses what nobody signed. */
async function refusedEverywhere(jws: string): Promise<void> {
  for (const form of FORMS) {
    assert.equal(await accepts(form.verify(jws, BODY)), false, jws);
    assert.equal(await accepts(form.verify(jws, BODY, unencodedAccepted)), false, jws);
  }
  assert.equal(await accepts(verifyPs256(jws, key ?? assert.fail())), false, jws);
}

describe('any input as a JWS is rejected with a JwsError', () => {
  test('any text', async () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.string({ maxLength: 5000 }),
    );
    await fc.assert(fc.asyncProperty(texts, refusedEverywhere), { numRuns: 300 });
  });

  test('any bytes, read as UTF-8 or as latin1', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
        await refusedEverywhere(Buffer.from(bytes).toString('utf8'));
        await refusedEverywhere(Buffer.from(bytes).toString('latin1'));
      }),
      { numRuns: 200 },
    );
  });

  test('any text of the alphabet and dots', async () => {
    const chars = fc.constantFrom(...ALPHABET, '.', '.', '.', '=');
    await fc.assert(fc.asyncProperty(fc.string({ unit: chars, maxLength: 200 }), refusedEverywhere), { numRuns: 300 });
  });

  test('three segments of any bytes', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, bytes, async (first, second, third) => {
        await refusedEverywhere(`${base64url(first)}.${base64url(second)}.${base64url(third)}`);
        await refusedEverywhere(`${base64url(first)}..${base64url(third)}`);
      }),
      { numRuns: 200 },
    );
  });

  test('any JSON as header', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ noUnicodeString: false }), fc.uint8Array(), async (first, third) => {
        await refusedEverywhere(`${base64url(first)}..${base64url(third)}`);
      }),
      { numRuns: 300 },
    );
  });

  test('a good header with any members changed and a signature of any bytes', async () => {
    const names = fc.constantFrom(...Object.keys(header()), 'b64', 'typ', 'cty');
    const signature = fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 256, maxLength: 256 }));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, fc.jsonValue()), signature, async (changes, bytes) => {
        const first = base64url(JSON.stringify(header(changes)));
        await refusedEverywhere(`${first}..${base64url(bytes)}`);
        await refusedEverywhere(`${first}.${base64url(BODY)}.${base64url(bytes)}`);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a valid JWS that was altered in one character is never accepted', () => {
  const valid = [
    ...FORMS.map((form) => ({ name: form.name, jws: form.forge(header(), BODY), verify: form.verify })),
    {
      name: 'unencoded',
      jws: forgeUnencoded(unencodedHeader(), BODY),
      verify: (jws: string, body: Uint8Array) => detached.verify(jws, body, unencodedAccepted),
    },
  ];

  for (const { name, jws, verify } of valid) {
    test(`${name}: any character put for any other`, async () => {
      assert.ok(await accepts(verify(jws, BODY)));
      const anyChar = fc.oneof(
        fc.constantFrom(...ALPHABET, '.', '=', ' '),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.nat(jws.length - 1), anyChar, async (at, char) => {
          const altered = jws.slice(0, at) + char + jws.slice(at + 1);
          assert.equal(await accepts(verify(altered, BODY)), altered === jws, altered);
        }),
        { numRuns: 700 },
      );
    });

    test(`${name}: any character inserted anywhere`, async () => {
      const anyChar = fc.oneof(
        fc.constantFrom(...ALPHABET, '.', '=', ' ', '\n'),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.nat(jws.length), anyChar, async (at, char) => {
          assert.equal(await accepts(verify(jws.slice(0, at) + char + jws.slice(at), BODY)), false);
        }),
        { numRuns: 700 },
      );
    });

    test(`${name}: each character deleted, and each pair of neighbours swapped`, async () => {
      for (let at = 0; at < jws.length; at += 1) {
        assert.equal(await accepts(verify(jws.slice(0, at) + jws.slice(at + 1), BODY)), false, `without ${at}`);
        const swapped = jws.slice(0, at) + jws.charAt(at + 1) + jws.charAt(at) + jws.slice(at + 2);
        assert.equal(await accepts(verify(swapped, BODY)), swapped === jws, `with ${at} swapped`);
      }
    });

    test(`${name}: each of its last characters replaced by every other of the alphabet`, async () => {
      const ends = [...jws.matchAll(/[^.](?=\.|$)/g)].map(({ index }) => index);
      for (const at of ends) {
        for (const char of ALPHABET) {
          const altered = jws.slice(0, at) + char + jws.slice(at + 1);
          assert.equal(await accepts(verify(altered, BODY)), altered === jws, altered);
        }
      }
    });
  }

  test('a body that differs in any byte is refused', async () => {
    const signature = detached.forge(header(), BODY);
    const raw = forgeUnencoded(unencodedHeader(), BODY);
    for (let at = 0; at < BODY.length; at += 1) {
      for (const bit of [1, 0x80]) {
        const altered = BODY.map((byte, index) => (index === at ? byte ^ bit : byte));
        assert.equal(await accepts(detached.verify(signature, altered)), false);
        assert.equal(await accepts(detached.verify(raw, altered, unencodedAccepted)), false);
      }
    }
  });
});
