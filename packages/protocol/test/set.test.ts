import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  buildSetClaims,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  type EventTypeRule,
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  isLongerThan,
  RESOURCE_UPDATE,
  SET_ERROR_CODES,
  SET_TYPES_ACCEPTED,
  SetError,
  type SetExpectations,
  signSet,
  textFault,
  VRP_LINKED_ACCOUNT_UPDATE,
  verifySet,
} from '../src/index.ts';
import { BYTE_ORDER_MARK, concat, json, utf8 } from './support/bytes.ts';
import { CLIENT_ID, claims, claimsInput, ISSUER, rule } from './support/events.ts';
import { compact, header, pss, unencodedHeader } from './support/forge.ts';
import { CLOCK_SKEW_SECONDS, NOW_SECONDS, stranger, TRUST_ANCHOR, tpp } from './support/parties.ts';
import { refusesSet } from './support/refusals.ts';

// In these tests the party that signs is the ASPSP; any party will do.
const aspsp = tpp;

function expecting(changes: Partial<SetExpectations> = {}): SetExpectations {
  return {
    issuer: ISSUER,
    signer: aspsp.identity.iss,
    audience: CLIENT_ID,
    trustAnchors: [TRUST_ANCHOR],
    keys: aspsp.keys,
    nowSeconds: NOW_SECONDS,
    clockSkewSeconds: CLOCK_SKEW_SECONDS,
    ...changes,
  };
}

const good = (): string => compact.forge(header(), json(claims()));

describe('an event notification', () => {
  test('is signed and verified', async () => {
    const made = buildSetClaims(claimsInput({ events: [{ type: rule(RESOURCE_UPDATE) }] }));
    const seen = await verifySet(await signSet(made, aspsp.signer, NOW_SECONDS), expecting());
    assert.deepEqual(structuredClone(seen.claims), made);
    assert.equal(seen.header.kid, aspsp.identity.kid);
  });

  test('is a compact JWS without typ, whose payload is the claims', async () => {
    const made = buildSetClaims(claimsInput({ events: [{ type: rule(RESOURCE_UPDATE) }] }));
    const [first = '', second = '', , ...more] = (await signSet(made, aspsp.signer, NOW_SECONDS)).split('.');
    assert.deepEqual(more, []);
    assert.deepEqual(JSON.parse(Buffer.from(second, 'base64url').toString()), made);
    assert.equal('typ' in JSON.parse(Buffer.from(first, 'base64url').toString()), false);
  });

  test('is verified without a resource-update, which the official OpenAPI wrongly demands', async () => {
    const made = buildSetClaims(claimsInput({ events: [{ type: rule(CONSENT_AUTHORIZATION_REVOKED) }] }));
    await verifySet(await signSet(made, aspsp.signer, NOW_SECONDS), expecting());
  });

  test('is verified at any age', async () => {
    const old = claims({ iat: 1, toe: 0 });
    await verifySet(compact.forge(header({ [HEADER_IAT]: 1 }), json(old)), expecting());
  });

  test('round-trips for any valid input', async () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 128 })
      .filter((value) => !isLongerThan(value, 128) && textFault(value) === undefined);
    const version = text.filter(({ length }) => length <= 10);
    const type = fc.constantFrom<EventTypeRule>(
      ...[RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED, CONSENT_ACCESS_REVOKED].map(rule),
      ...[ACCOUNT_LINKED_ACCOUNT_UPDATE, VRP_LINKED_ACCOUNT_UPDATE].map(rule),
    );
    const event = fc.record({ type, reason: fc.option(text, { nil: undefined }) });
    const pastMs = fc.integer({ min: 0, max: NOW_SECONDS * 1000 });
    const input = fc.record({
      issuer: text,
      jti: text,
      clientId: text,
      nowMs: pastMs,
      occurredAtMs: pastMs,
      transactionId: fc.option(text, { nil: undefined }),
      resource: fc.record({
        id: text,
        type: text,
        uri: text,
        links: fc.array(fc.record({ version, link: text }), { minLength: 1, maxLength: 4 }),
      }),
      events: fc.uniqueArray(event, { minLength: 1, maxLength: 5, selector: (each) => each.type.urn }),
    });
    await fc.assert(
      fc.asyncProperty(input, async (any) => {
        const made = buildSetClaims(any);
        const token = await signSet(made, aspsp.signer, NOW_SECONDS);
        const seen = await verifySet(token, expecting({ issuer: any.issuer, audience: any.clientId }));
        assert.deepEqual(structuredClone(seen.claims), structuredClone(made));
      }),
      { numRuns: 100 },
    );
  });
});

describe('a receiver accepts typ absent, JOSE, JWT, secevent+jwt, configurable', () => {
  for (const typ of [undefined, 'JOSE', 'JWT', 'secevent+jwt', 'jwt', 'SECEVENT+JWT']) {
    test(`${typ ?? 'absent'} is accepted`, async () => {
      await verifySet(compact.forge(header({ typ }), json(claims())), expecting());
    });
  }

  for (const typ of ['at+jwt', 'application/jwt', '', null, ['JWT'], 1]) {
    test(`${JSON.stringify(typ)} is refused`, async () => {
      await refusesSet(verifySet(compact.forge(header({ typ }), json(claims())), expecting()), 'invalid_request');
    });
  }

  test('the list is what the receiver says', async () => {
    assert.deepEqual(SET_TYPES_ACCEPTED, ['JOSE', 'JWT', 'secevent+jwt']);
    const strict = expecting({ typesAccepted: ['JOSE'] });
    await verifySet(compact.forge(header({ typ: 'JOSE' }), json(claims())), strict);
    await verifySet(good(), strict);
    await refusesSet(verifySet(compact.forge(header({ typ: 'JWT' }), json(claims())), strict), 'invalid_request');
    const none = expecting({ typesAccepted: [] });
    await verifySet(good(), none);
    await refusesSet(verifySet(compact.forge(header({ typ: 'JOSE' }), json(claims())), none), 'invalid_request');
  });
});

describe('a receiver refuses an event notification with the code of RFC 8935', () => {
  const verifying = (token: string, changes?: Partial<SetExpectations>) => verifySet(token, expecting(changes));

  test('invalid_issuer: the iss claim is not the ASPSP', async () => {
    for (const iss of ['https://stranger.example/', ISSUER.slice(0, -1), ISSUER.toUpperCase()]) {
      await refusesSet(verifying(compact.forge(header(), json(claims({ iss })))), 'invalid_issuer');
    }
  });

  test('invalid_issuer: iss or tan of the header is somebody else', async () => {
    for (const members of [{ [HEADER_ISS]: stranger.identity.iss }, { [HEADER_TAN]: 'stranger.example' }]) {
      await refusesSet(verifying(compact.forge(header(members), json(claims()))), 'invalid_issuer');
    }
  });

  test('invalid_audience: the aud claim is another TPP', async () => {
    for (const aud of ['another-client', CLIENT_ID.toLowerCase(), `${CLIENT_ID} `]) {
      await refusesSet(verifying(compact.forge(header(), json(claims({ aud })))), 'invalid_audience');
    }
    await refusesSet(verifying(compact.forge(header(), json(claims({ aud: [CLIENT_ID] })))), 'invalid_request');
  });

  test('invalid_key: kid is not in the key set of the ASPSP', async () => {
    await refusesSet(verifying(compact.forge(header({ kid: 'x' }), json(claims()))), 'invalid_key');
    await refusesSet(verifying(good(), { keys: stranger.keys }), 'invalid_key');
  });

  test('authentication_failed: the signature does not verify', async () => {
    const forged = compact.forge(header(), json(claims()), pss(32, stranger.privateKey));
    await refusesSet(verifying(forged), 'authentication_failed');
    await refusesSet(verifying(compact.forge(header(), json(claims()), pss(20))), 'authentication_failed');
  });

  test('invalid_request: the JWS or its header is not of the standard', async () => {
    const tokens = [
      '',
      'a.b.c',
      `${good()}, ${good()}`,
      compact.forge(header({ crit: undefined }), json(claims())),
      compact.forge(header({ alg: 'none' }), json(claims())),
      compact.forge(header({ jku: 'https://stranger.example/' }), json(claims())),
      compact.forge(unencodedHeader(), json(claims())),
      compact.forge(header({ [HEADER_IAT]: NOW_SECONDS + 1000 }), json(claims())),
    ];
    for (const token of tokens) await refusesSet(verifying(token), 'invalid_request');
  });

  test('invalid_request: duplicate JSON members, a BOM, or claims that are not of the standard', async () => {
    const text = JSON.stringify(claims());
    const payloads = [
      utf8(text.replace('{', '{"aud":"another-client",')),
      utf8(text.replace('{', '{"\\u0061ud":"another-client",')),
      concat(BYTE_ORDER_MARK, utf8(text)),
      json(claims({ jti: undefined })),
      new Uint8Array(),
    ];
    for (const payload of payloads) {
      await refusesSet(verifying(compact.forge(header(), payload)), 'invalid_request');
    }
  });

  for (const claim of ['iat', 'toe']) {
    test(`invalid_request: ${claim} is in the future beyond the clock skew`, async () => {
      const latest = NOW_SECONDS + CLOCK_SKEW_SECONDS;
      await verifying(compact.forge(header(), json(claims({ [claim]: latest }))));
      const token = compact.forge(header(), json(claims({ [claim]: latest + 1 })));
      await refusesSet(verifying(token), 'invalid_request');
    });
  }

  test('invalid_request: exp, which the standard does not have, is there and has passed, or is not a number', async () => {
    const earliest = NOW_SECONDS - CLOCK_SKEW_SECONDS;
    const seen = await verifying(compact.forge(header(), json(claims({ exp: earliest + 1 }))));
    assert.equal(seen.claims.exp, earliest + 1);
    for (const exp of [earliest, String(NOW_SECONDS), null]) {
      await refusesSet(verifying(compact.forge(header(), json(claims({ exp })))), 'invalid_request');
    }
  });

  test('the header is checked before the claims, and both before anything is trusted', async () => {
    const token = compact.forge(header(), utf8('not JSON'), pss(32, stranger.privateKey));
    await refusesSet(verifying(token), 'authentication_failed');
  });

  test('the signature error is the cause', async () => {
    const error = await refusesSet(verifying(compact.forge(header({ kid: 'x' }), json(claims()))), 'invalid_key');
    assert.equal((error.cause as Error).name, 'JwsError');
  });

  test('the message fits into description, which has 256 characters', async () => {
    const longMember = compact.forge(header({ ['\u0007'.repeat(5000)]: 1 }), json(claims()));
    const error = await refusesSet(verifying(longMember), 'invalid_request');
    assert.ok(error.message.length <= 256);
    assert.equal(new SetError('invalid_request', 'x'.repeat(1000)).message.length, 256);
    assert.ok(SET_ERROR_CODES.every((code) => code.length <= 40));
  });

  test('an error of the key source is not blamed on the sender', async () => {
    const outage = new Error('the JWKS cannot be fetched');
    const keys = { keyFor: () => Promise.reject(outage) };
    await assert.rejects(verifying(good(), { keys }), outage);
  });
});

test('whatever arrives is verified or refused with a SetError', async () => {
  const payload = fc.oneof(
    fc.json().map(utf8),
    fc.uint8Array(),
    fc.dictionary(fc.constantFrom(...Object.keys(claims())), fc.jsonValue()).map((changes) => json(claims(changes))),
  );
  const changes = fc.dictionary(fc.constantFrom(...Object.keys(header()), 'typ', 'cty', 'b64'), fc.jsonValue(), {
    maxKeys: 1,
  });
  await fc.assert(
    fc.asyncProperty(payload, fc.oneof(fc.constant({}), changes), async (body, members) => {
      await verifySet(compact.forge(header(members), body), expecting()).catch((error: unknown) => {
        assert.ok(error instanceof SetError, String(error));
      });
    }),
    { numRuns: 200 },
  );
});
