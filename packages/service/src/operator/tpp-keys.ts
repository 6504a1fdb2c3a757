import { type Static, Type } from 'typebox';
import type { DescribedCertificate } from '../trust/psp-certificate.ts';
import type { KeyCertificate, PresentedCertificate } from '../trust/tpp-certificates.ts';
import type { HeldTppKeys } from '../trust/tpp-keys.ts';
import type { StatementCheck } from './directory-refresh.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { PSP_STATEMENTS, writePsp } from './psp-statements.ts';
import { dateTime, isoTime } from './request.ts';
import { ok, route } from './route.ts';
import { findTpp } from './tpp-registry.ts';

const closed = { additionalProperties: false };

const Certificate = Type.Object(
  {
    use: Type.Enum(['transport', 'signing'], {
      description:
        'What it is for. One with a lastSeenAt was presented; one with a kid stands in the JWKS, which nobody verified',
    }),
    kid: Type.Optional(Type.String({ description: 'The key of the JWKS whose certificate it is (x5c)' })),
    lastSeenAt: Type.Optional(dateTime('When the TPP last authenticated itself with it')),
    subject: Type.String({ description: 'RFC 4514' }),
    notAfter: dateTime('When it expires'),
    fingerprint: Type.String({ description: 'SHA-256, hexadecimal' }),
    ...PSP_STATEMENTS,
  },
  closed,
);

/** The keys of a TPP at one instance. */
export const KeysOfTpp = Type.Object(
  {
    from: Type.Enum(['inline', 'url'], {
      description: 'inline: registered with the TPP. url: fetched from its jwksUrl',
    }),
    keys: Type.Array(
      Type.Object(
        {
          kid: Type.Optional(Type.String({ description: 'Absent: the key has none' })),
          state: Type.Enum(['usable', 'left-out', 'revoked'], {
            description:
              'usable: signatures are verified with it. left-out: it is not used, for the reason given. revoked: the list of revoked keys has it',
          }),
          reason: Type.Optional(Type.String({ description: 'Why it is left out' })),
        },
        closed,
      ),
      { description: 'Keys of the JWKS that is inline or was fetched last; empty if none was fetched' },
    ),
    certificates: Type.Array(Certificate, { description: 'Those that were presented first, the last seen first' }),
    fetchedAt: Type.Optional(dateTime('When they were fetched last; absent: they are inline, or were never fetched')),
    usableUntil: Type.Optional(
      dateTime('They are not used from then on, unless they are fetched again ("tppKeys.hardMaxAgeMs")'),
    ),
    lastFailure: Type.Optional(
      Type.Object(
        { at: dateTime('When it failed'), reason: Type.String() },
        { ...closed, description: 'The last fetch that failed; it is over if fetchedAt is later' },
      ),
    ),
    statement: Type.Optional(
      Type.Object(
        {
          checkedAt: dateTime('When it was looked up; where it is revoked: when that was noticed'),
          outcome: Type.Enum(['unchanged', 'changed', 'revoked', 'failed'], {
            description:
              'changed: the TPP was brought in line with it. revoked: the directory says that the TPP may no longer act. failed: it is not known',
          }),
          reason: Type.Optional(Type.String({ description: 'Why it is revoked or failed' })),
        },
        { ...closed, description: 'Its software statement at the directory; absent: it was not looked up' },
      ),
    ),
    instance: Type.Optional(
      Type.Object(
        { id: Type.String(), host: Type.String(), processId: Type.Integer() },
        { ...closed, description: 'The instance that answers. Each one fetches for itself, when it needs a key' },
      ),
    ),
  },
  closed,
);
export type KeysOfTpp = Static<typeof KeysOfTpp>;

/** GET /operator/v1/tpps/{clientId}/keys: what the instance that answers holds of the keys of a TPP. */
export const tppKeysRoute = route({
  operationId: 'getTppKeys',
  method: 'get',
  path: '/operator/v1/tpps/{clientId}/keys',
  role: 'viewer',
  tag: 'TPPs',
  summary: 'Get the keys and certificates of a TPP that the instance that answers knows, and when it fetched them',
  description: 'Fetches nothing: keys are fetched when a signature of the TPP is verified.',
  response: ok('The keys', { KeysOfTpp }),
  refusals: [404, 501],
  handler:
    (context) =>
    async ({ params }): Promise<KeysOfTpp> => {
      const { store, tppKeys, presentedCertificates, directoryRefresh } = context;
      if (tppKeys === undefined) throw new Problem(501, 'This process holds no keys of TPPs.');
      const { clientId } = params;
      const held = await tppKeys.heldOf(await findTpp(store, clientId));
      const keys = held.from === 'inline' ? held.keys : held.fetched?.keys;
      const presented = presentedCertificates?.of(clientId) ?? [];
      return {
        from: held.from,
        ...(held.from === 'inline' ? inline(held) : fetched(held)),
        certificates: [...presented.map(writePresented), ...(keys?.certificates ?? []).map(writeOfKey)],
        ...writeCheck(directoryRefresh?.checkOf(clientId)),
        ...(await answering(context)),
      };
    },
});

type Held<From extends HeldTppKeys['from']> = Extract<HeldTppKeys, { from: From }>;

function inline({ keys }: Held<'inline'>) {
  return { keys: writeKeys(keys) };
}

function fetched({ fetched: last, lastFailure }: Held<'url'>) {
  return {
    keys: last === undefined ? [] : [...writeKeys(last.keys), ...last.revokedKids.map(revoked)],
    ...(last !== undefined && { fetchedAt: isoTime(last.fetchedAtMs), usableUntil: isoTime(last.usableUntilMs) }),
    ...(lastFailure !== undefined && { lastFailure: { at: isoTime(lastFailure.atMs), reason: lastFailure.reason } }),
  };
}

function writeKeys({ kids, leftOut }: Held<'inline'>['keys']): KeysOfTpp['keys'] {
  return [
    ...kids.map((kid) => ({ kid, state: 'usable' as const })),
    ...leftOut.map(({ kid, reason }) => ({ ...(kid !== '' && { kid }), state: 'left-out' as const, reason })),
  ];
}

function writePresented({ lastSeenAtMs, ...certificate }: PresentedCertificate): KeysOfTpp['certificates'][number] {
  return { use: 'transport', lastSeenAt: isoTime(lastSeenAtMs), ...writeCertificate(certificate) };
}

function writeOfKey({ kid, use, ...certificate }: KeyCertificate): KeysOfTpp['certificates'][number] {
  return { use, kid, ...writeCertificate(certificate) };
}

function writeCertificate({ subject, notAfterMs, fingerprint, psp }: DescribedCertificate) {
  return { subject, notAfter: isoTime(notAfterMs), fingerprint, ...writePsp(psp) };
}

function writeCheck(check: StatementCheck | undefined): Pick<KeysOfTpp, 'statement'> {
  if (check === undefined) return {};
  const { checkedAtMs, outcome, reason } = check;
  return { statement: { checkedAt: isoTime(checkedAtMs), outcome, ...(reason !== undefined && { reason }) } };
}

function revoked(kid: string): KeysOfTpp['keys'][number] {
  return { kid, state: 'revoked' };
}

async function answering({ store, telemetry }: OperatorContext): Promise<Pick<KeysOfTpp, 'instance'>> {
  const own = (await store.instances()).find(({ id }) => id === telemetry?.instance);
  if (own === undefined) return {};
  const { id, host, processId } = own;
  return { instance: { id, host, processId } };
}
