import {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  CONSENT_AUTHORIZATION_REVOKED,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
} from '@tidings/protocol';
import type { Check } from '../../model.ts';
import { type Bank, EVENT_SAMPLES } from '../bank.ts';
import type { TppContext } from '../context.ts';
import { checksOf, claimVariants, expectOfAll, isAcknowledged, skipped, tokenVariants } from '../judge.ts';
import { EN, EN_RESOURCE, RT, rfc, VRP } from '../sources.ts';

const { acknowledges, check } = checksOf('Event types and content');

const LINKS: readonly (readonly [name: string, versions: readonly string[]])[] = [
  ['links for v3.1', ['3.1']],
  ['links for v3.1.11', ['3.1.11']],
  ['links for v4.0', ['4.0']],
  ['links for v3.1 and v4.0', ['3.1', '4.0']],
  ['versions that begin with v', ['v3.1', 'v4.0']],
];
const ID_CHARS_MAX = 128;
const LINKS_MANY = 80;

/** Each event type of the standard, about a resource in every version. */
const TYPE_CHECKS: readonly Check<TppContext>[] = EVENT_SAMPLES.map(([urn, type], at) => {
  const name = urn.split(':').at(-1) ?? urn;
  return check(
    'must',
    {
      id: `TPP-EVT-0${at + 1}`,
      title: `Notifications of ${name} are acknowledged, whatever versions the resource has`,
      source: urn.includes('vrp') || name === 'consent-access-revoked' ? VRP : EN_RESOURCE,
      rule: `The event type ${urn}. Its subject holds a link to the resource in each version of the API that the bank supports.`,
      remedy:
        'Accept every event type of the standard, also those of which you want to make no use, and any set of versions in rlk.',
    },
    async (context) => {
      const { eventTypes } = context.config;
      if (eventTypes !== undefined && !eventTypes.includes(urn)) {
        return skipped('The TPP has not subscribed to this event type, as eventTypes of the configuration says.');
      }
      const variants = LINKS.map(
        ([links, versions]) => [links, context.bank.eventClaims(urn, { type, versions })] as const,
      );
      return expectOfAll(context, claimVariants(context, variants), {
        holds: isAcknowledged,
        expected: 'each is acknowledged with 202',
      });
    },
  );
});

/** Checks of what a notification may be about, and may hold. */
export const EVENT_CHECKS = [
  ...TYPE_CHECKS,
  acknowledges(
    'must',
    {
      id: 'TPP-EVT-06',
      title: 'One notification with two events is acknowledged',
      source: `${EN}, Security Event Token`,
      rule: 'When a funds confirmation consent is revoked, one token has a resource-update with the subject, and a consent-authorization-revoked that is empty.',
      remedy:
        'Read every member of events. Demand a subject of a revocation only where the token has no resource-update.',
    },
    (context) => {
      const subject = context.bank.subject({ type: 'funds-confirmation-consent' });
      const events = { [RESOURCE_UPDATE]: { subject }, [CONSENT_AUTHORIZATION_REVOKED]: {} };
      return claimVariants(context, [['two events', { sub: linkOf(subject), events }]]);
    },
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-EVT-07',
      title: 'A reason is accepted',
      source: EN_RESOURCE,
      rule: 'Revocations and linked-account updates may have a reason: a code of the standard, a code of the bank, or a text.',
      remedy: 'Treat reason as a text of at most 128 characters.',
    },
    (context) => {
      const type = 'account-access-consent';
      const claims = (urn: string, reason: string) => context.bank.eventClaims(urn, { type }, { reason });
      return claimVariants(context, [
        ['UK.OBIE.CASS', claims(ACCOUNT_LINKED_ACCOUNT_UPDATE, 'UK.OBIE.CASS')],
        ['UK.OBIE.AccountClosure', claims(ACCOUNT_LINKED_ACCOUNT_UPDATE, 'UK.OBIE.AccountClosure')],
        ['a code of the bank', claims(CONSENT_AUTHORIZATION_REVOKED, 'BANK.CustomerRequest')],
        ['a text that is not ASCII', claims(CONSENT_AUTHORIZATION_REVOKED, 'Kundin wünscht’s so 💷')],
      ]);
    },
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-EVT-08',
      title: 'Claims and members that nobody knows are ignored',
      source: rfc(7519, '4'),
      rule: 'All claims that a recipient does not understand are ignored. Later versions of the standard add members.',
      remedy: 'Do not validate tokens against a closed schema.',
    },
    (context) => {
      const subject = { ...context.bank.subject({ type: 'domestic-payment' }), 'http://bank.example/more': [1] };
      const events = { [RESOURCE_UPDATE]: { subject, more: { deep: true } } };
      return claimVariants(context, [
        ['a claim', { 'http://bank.example/claim': { any: null } }],
        ['members of the event and its subject', { sub: linkOf(subject), events }],
      ]);
    },
  ),
  acknowledges(
    'should',
    {
      id: 'TPP-EVT-09',
      title: 'Event types of the bank’s own are acknowledged',
      source: `${EN}, Event Types`,
      rule: 'A bank may define event types in its own namespace. A registration for all types gets them.',
      remedy: 'Acknowledge an event type that you do not know, and do nothing.',
    },
    ({ bank }) =>
      tokenVariants(
        ['urn:com:bank:events:card-renewed', 'https://bank.example/events/statement-ready'].map((urn) => [
          urn,
          bank.token({ claims: bank.eventClaims(urn, { type: 'domestic-payment' }) }),
        ]),
      ),
  ),
  acknowledges(
    'should',
    {
      id: 'TPP-EVT-10',
      title: 'Links to a version that does not exist yet, and resource types that nobody knows, are accepted',
      source: `${EN}, Security Event Token`,
      rule: 'rlk holds links to all versions that the bank supports, which may be more than the TPP knows. Nothing is to be inferred from version.',
      remedy: 'Choose the link that you support, and ignore the others.',
    },
    (context) =>
      claimVariants(context, [
        ['v5.0', context.bank.eventClaims(RESOURCE_UPDATE, { type: 'domestic-payment', versions: ['3.1', '5.0'] })],
        ['another resource type', context.bank.eventClaims(RESOURCE_UPDATE, { type: 'file-payment-report' })],
      ]),
  ),
  acknowledges(
    'may',
    {
      id: 'TPP-EVT-11',
      title: 'A resource type in the plural is accepted',
      source: `${EN}, Security Event Token`,
      rule: 'rty is account-access-consent in the definition and account-access-consents in some examples: banks send both.',
      remedy: 'Accept the plural of each resource type.',
    },
    (context) => {
      const subject = {
        ...context.bank.subject({ type: 'account-access-consent' }),
        [RESOURCE_TYPE]: 'account-access-consents',
      };
      const events = { [CONSENT_AUTHORIZATION_REVOKED]: { subject } };
      return claimVariants(context, [['account-access-consents', { sub: linkOf(subject), events }]]);
    },
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-EVT-12',
      title: 'Ids of the greatest length are accepted',
      source: EN_RESOURCE,
      rule: 'jti, txn and the id of a resource have up to 128 characters.',
      remedy: 'Make room for 128 characters in your database; do not demand a UUID.',
    },
    (context) => {
      const { bank } = context;
      const longest = (text: string) => `${text}-`.padEnd(ID_CHARS_MAX, 'x');
      const subject = { ...bank.subject({ type: 'domestic-payment' }), [RESOURCE_ID]: longest(bank.uuid()) };
      const events = { [RESOURCE_UPDATE]: { subject } };
      return claimVariants(context, [
        ['jti and txn', { jti: longest(bank.uuid()), txn: longest(bank.uuid()) }],
        ['rid', { sub: linkOf(subject), events }],
      ]);
    },
  ),
  acknowledges(
    'should',
    {
      id: 'TPP-EVT-13',
      title: 'A large notification is acknowledged',
      source: EN_RESOURCE,
      rule: 'The standard does not limit rlk, and a token may have several events. This one has about 20 kB.',
      remedy: 'Allow bodies of at least 64 kB at the callback URL.',
    },
    (context) => {
      const versions = Array.from({ length: LINKS_MANY }, (_, at) => `3.1.${at}`);
      return claimVariants(context, [
        ['large', context.bank.eventClaims(RESOURCE_UPDATE, { type: 'domestic-payment', versions })],
      ]);
    },
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-EVT-14',
      title: 'txn may be the jti, and toe may be long before iat',
      source: `${EN_RESOURCE}; ${RT}`,
      rule: 'txn is the interaction id of the call that caused the change, or the jti where there was none. toe is when the event happened.',
      remedy: 'Compare neither txn nor toe with anything.',
    },
    (context) => {
      const jti = context.bank.uuid();
      return claimVariants(context, [
        ['txn is the jti', { jti, txn: jti }],
        ['toe of last year', { toe: context.bank.nowSeconds() - 31_536_000 }],
      ]);
    },
  ),
];

function linkOf(subject: ReturnType<Bank['subject']>): string | undefined {
  return subject[RESOURCE_LINKS].at(-1)?.link;
}
