import {
  CONSENT_AUTHORIZATION_REVOKED,
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  isJsonObject,
  RESOURCE_LINKS,
  RESOURCE_UPDATE,
  SetError,
  verifySet,
} from '@tidings/protocol';
import type { AspspContext, OfferedSet } from '../context.ts';
import { checksOf, expect, fail } from '../expect.ts';
import { claimsOfSet, headerOfJws, rawClaimsOf } from '../sets.ts';
import { EN_RESOURCE, RW_SIGNING } from '../sources.ts';

const { must, should } = checksOf<AspspContext>('Event notifications');
const CLOCK_SKEW_SECONDS = 60;
const MEMBERS = new Set(['alg', 'kid', 'typ', 'cty', 'crit', HEADER_IAT, HEADER_ISS, HEADER_TAN]);
const RFC_8417 = 'RFC 8417, section 2.2';
const ID_CHARS_MAX = 128;

/** A SET of a new event, by poll where the bank offers it, else from a delivery. */
async function newSet(context: AspspContext, eventType?: string): Promise<OfferedSet> {
  context.requireEvents(eventType);
  if (context.config.features.polling) {
    await context.subscribeForPolling();
    return await context.offeredEvent(context.first, eventType);
  }
  const endpoint = context.receiver();
  await context.first.clear();
  await context.first.create('event-subscriptions', {
    CallbackUrl: endpoint.url,
    Version: context.registrationVersion,
  });
  await context.makeEvent(context.first, eventType);
  const { eventMs } = context.config.timing;
  expect(await endpoint.untilCount(1, eventMs), `a delivery within ${eventMs / 1000} s`, 'none');
  const token = endpoint.deliveries[0]?.body.toString('utf8') ?? '';
  const claims = claimsOfSet(token);
  return { jti: claims.jti, token, claims };
}

async function expectVerified(context: AspspContext, token: string): Promise<void> {
  const { issuer, organisationId, trustAnchor } = context.config.bank;
  try {
    await verifySet(token, {
      ...{ issuer, signer: organisationId, audience: context.first.clientId, trustAnchors: [trustAnchor] },
      ...{ keys: context.keys, nowSeconds: context.first.nowSeconds, clockSkewSeconds: CLOCK_SKEW_SECONDS },
    });
  } catch (error) {
    if (!(error instanceof SetError)) throw error;
    fail('a SET that a strict receiver accepts', `${error.message} (${token})`);
  }
}

function expectWholeSeconds(claims: Record<string, unknown>, name: 'iat' | 'toe', nowSeconds: number): void {
  const value = claims[name];
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  // Milliseconds would be a thousand times as much.
  expect(
    isWhole && value <= nowSeconds + CLOCK_SKEW_SECONDS,
    `${name} in whole seconds, in the past`,
    JSON.stringify(value) ?? 'none',
  );
}

const SIGNATURE_CHECKS = [
  must(
    'SET-01',
    'A SET verifies with a key of the bank, and a strict receiver accepts it.',
    RW_SIGNING,
    async (context) => expectVerified(context, (await newSet(context)).token),
  ),
  must('SET-02', 'A SET is signed with PS256.', RW_SIGNING, async (context) => {
    const { alg } = headerOfJws((await newSet(context)).token, 'a SET');
    expect(alg === 'PS256', 'alg PS256', String(alg));
  }),
  must(
    'SET-03',
    'The JOSE header of a SET has iat, iss and tan of the bank, and crit with these three.',
    RW_SIGNING,
    async (context) => {
      const header = headerOfJws((await newSet(context)).token, 'a SET');
      const { organisationId, trustAnchor } = context.config.bank;
      expect(
        header[HEADER_ISS] === organisationId,
        `iss ${organisationId} in the JOSE header`,
        String(header[HEADER_ISS]),
      );
      expect(header[HEADER_TAN] === trustAnchor, `tan ${trustAnchor} in the JOSE header`, String(header[HEADER_TAN]));
      expect(
        Number.isInteger(header[HEADER_IAT]),
        'iat in whole seconds in the JOSE header',
        String(header[HEADER_IAT]),
      );
      const crit = Array.isArray(header['crit']) ? header['crit'].map(String).sort().join(' ') : 'no list';
      expect(crit === [HEADER_IAT, HEADER_ISS, HEADER_TAN].sort().join(' '), 'crit with iat, iss and tan', crit);
    },
  ),
  must('SET-04', 'The JOSE header of a SET has no b64 and no other member.', RW_SIGNING, async (context) => {
    const header = headerOfJws((await newSet(context)).token, 'a SET');
    const more = Object.keys(header).filter((name) => !MEMBERS.has(name));
    expect(more.length === 0, 'no member beyond those of the standard', more.join(', '));
  }),
  should('SET-05', 'typ of a SET is absent or JOSE.', RW_SIGNING, async (context) => {
    const { typ } = headerOfJws((await newSet(context)).token, 'a SET');
    expect(typ === undefined || typ === 'JOSE', 'no typ, or JOSE', String(typ));
  }),
];

const CLAIM_CHECKS = [
  must('SET-10', 'iss is the URI of the bank.', EN_RESOURCE, async (context) => {
    const { iss } = rawClaimsOf((await newSet(context)).token);
    expect(iss === context.config.bank.issuer, `iss ${context.config.bank.issuer}`, String(iss));
  }),
  must('SET-11', 'aud is the client_id of the TPP.', EN_RESOURCE, async (context) => {
    const { aud } = rawClaimsOf((await newSet(context)).token);
    expect(aud === context.first.clientId, `aud "${context.first.clientId}"`, JSON.stringify(aud) ?? 'none');
  }),
  must('SET-12', 'iat and toe are whole seconds, in the past.', EN_RESOURCE, async (context) => {
    const claims = rawClaimsOf((await newSet(context)).token);
    for (const name of ['iat', 'toe'] as const) expectWholeSeconds(claims, name, context.first.nowSeconds);
  }),
  must('SET-13', 'A SET does not expire: it has no exp.', EN_RESOURCE, async (context) => {
    const { exp } = rawClaimsOf((await newSet(context)).token);
    expect(exp === undefined, 'no exp', String(exp));
  }),
  must('SET-14', 'jti and txn have 1 to 128 characters, and sub is a URI.', EN_RESOURCE, async (context) => {
    const { jti, txn, sub } = rawClaimsOf((await newSet(context)).token);
    for (const [name, value] of Object.entries({ jti, txn })) {
      const isText = typeof value === 'string' && value.length >= 1 && value.length <= ID_CHARS_MAX;
      expect(isText, `${name} of 1 to ${ID_CHARS_MAX} characters`, JSON.stringify(value) ?? 'none');
    }
    expect(typeof sub === 'string' && URL.canParse(sub), 'sub that is a URI', String(sub));
  }),
  must('SET-15', 'Two events have two jtis.', RFC_8417, async (context) => {
    const one = await newSet(context);
    const other = await newSet(context);
    const isAnother = one.claims.jti !== other.claims.jti && one.jti !== other.jti;
    expect(isAnother, 'another jti for another event', other.claims.jti);
  }),
  must(
    'SET-16',
    'events has the shape of the standard: a subject with subject_type, rid, rty and rlk.',
    EN_RESOURCE,
    async (context) => {
      for (const type of context.config.events?.types ?? []) claimsOfSet((await newSet(context, type)).token);
      context.requireEvents();
    },
  ),
  must('SET-17', 'rlk has https links, and one for each version of the resource.', EN_RESOURCE, async (context) => {
    const { claims, token } = await newSet(context);
    const subjects = Object.values(claims.events).flatMap(({ subject }) => (subject === undefined ? [] : [subject]));
    const links = subjects.flatMap((subject) => subject[RESOURCE_LINKS]);
    const isGood = links.length > 0 && links.every(({ link }) => link.startsWith('https://') && URL.canParse(link));
    expect(isGood, 'https links in rlk', token);
    const versions = links.map(({ version }) => version);
    expect(new Set(versions).size === versions.length, 'each version once in rlk', versions.join(', '));
  }),
  must('SET-18', 'A resource-update has the event resource-update.', EN_RESOURCE, async (context) => {
    const { claims, token } = await newSet(context, 'UK.OBIE.Resource-Update');
    expect(isJsonObject(claims.events[RESOURCE_UPDATE]), `events with ${RESOURCE_UPDATE}`, token);
  }),
  must(
    'SET-19',
    'A consent that is revoked at the bank has consent-authorization-revoked.',
    EN_RESOURCE,
    async (context) => {
      const { claims, token } = await newSet(context, 'UK.OBIE.Consent-Authorization-Revoked');
      expect(
        isJsonObject(claims.events[CONSENT_AUTHORIZATION_REVOKED]),
        `events with ${CONSENT_AUTHORIZATION_REVOKED}`,
        token,
      );
    },
  ),
];

/** Checks of section 3, and of the token in section 5. */
export const EVENT_TOKEN_CHECKS = [...SIGNATURE_CHECKS, ...CLAIM_CHECKS];
