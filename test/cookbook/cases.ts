import { constants, createHmac, sign } from 'node:crypto';
import { encodeBase64url, HEADER_IAT, HEADER_ISS, HEADER_TAN, type SetClaims, signSet } from '@tidings/protocol';
import { makeParticipant, type Participant } from '@tidings/testing';

/** What every program of the cookbook expects of a token. */
export const EXPECTED = { issuer: 'https://bank.example/', signer: '0015800000jfQ9aAAE', clientId: 'tpp-client-1' };

/** One request to a callback URL, and how a receiver answers. */
export interface Case {
  readonly name: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly status: number;
  /** Code of RFC 8935; undefined where the status has no body, or where receivers may see another fault first. */
  readonly err?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const BANK_KID = 'bank-key-1';
const utf8 = (text: string) => new TextEncoder().encode(text);
const encode = (value: unknown) => encodeBase64url(utf8(typeof value === 'string' ? value : JSON.stringify(value)));

/** Makes the bank whose keys the programs fetch. */
export function makeBank(): Promise<Participant> {
  return makeParticipant(EXPECTED.signer, BANK_KID);
}

/** Makes the requests: tokens of the bank, and what is none. */
export async function makeCases(bank: Participant): Promise<readonly Case[]> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claimsOf = (changes: object = {}): SetClaims => ({ ...makeClaims(nowSeconds), ...changes });
  const header = {
    alg: 'PS256',
    kid: BANK_KID,
    [HEADER_IAT]: nowSeconds,
    [HEADER_ISS]: EXPECTED.signer,
    [HEADER_TAN]: 'openbanking.org.uk',
    crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
  };
  const signed = async (head: unknown, claims: unknown = claimsOf()): Promise<string> => {
    const input = `${encode(head)}.${encode(claims)}`;
    return `${input}.${encodeBase64url(await bank.signer.sign(utf8(input)))}`;
  };
  const good = await signSet(claimsOf(), bank.signer, nowSeconds);
  const stranger = await makeParticipant(EXPECTED.signer, BANK_KID);
  const refused = (name: string, body: Case['body'], err?: string): Case => {
    return { name, body, status: 400, ...(err !== undefined && { err }) };
  };
  const withHeader = async (name: string, changes: object, err = 'invalid_request') =>
    refused(name, await signed({ ...header, ...changes }), err);
  const withClaims = async (name: string, changes: object, err = 'invalid_request') =>
    refused(name, await signed(header, claimsOf(changes)), err);
  const later = nowSeconds + 3_600;
  const { txn: _, ...withoutTxn } = claimsOf();
  return [
    { name: 'a notification', body: good, status: 202 },
    { name: 'the same again', body: good, status: 202 },
    { name: 'a type of events of the bank’s own', body: await signed(header, ownType(claimsOf())), status: 202 },
    { name: 'typ JOSE and cty', body: await signed({ ...header, typ: 'JOSE', cty: 'json' }), status: 202 },
    { name: 'crit in another order', body: await signed({ ...header, crit: header.crit.toReversed() }), status: 202 },
    {
      name: 'a header with a fraction',
      body: await signed({ ...header, [HEADER_IAT]: nowSeconds - 0.5 }),
      status: 202,
    },
    refused(
      'another key under the same kid',
      await signSet(claimsOf(), stranger.signer, nowSeconds),
      'authentication_failed',
    ),
    refused('an altered signature', alterSignature(good), 'authentication_failed'),
    refused('altered claims', alterClaims(good, claimsOf({ sub: 'https://evil.example' })), 'authentication_failed'),
    refused('alg none', `${encode({ ...header, alg: 'none' })}.${good.split('.')[1]}.`),
    refused('alg HS256 with the public key', hmacOf(bank, { ...header, alg: 'HS256' }, claimsOf())),
    refused('alg RS256, well signed', rs256Of(bank, { ...header, alg: 'RS256' }, claimsOf()), 'invalid_request'),
    refused('a salt of another length', saltOf(bank, header, claimsOf()), 'authentication_failed'),
    await withHeader('an unknown kid', { kid: 'unknown' }, 'invalid_key'),
    await withHeader('another unknown kid', { kid: 'unknown-2' }, 'invalid_key'),
    await withHeader('another signer', { [HEADER_ISS]: 'somebody' }, 'invalid_issuer'),
    await withHeader('another trust anchor', { [HEADER_TAN]: 'evil.example' }, 'invalid_issuer'),
    await withHeader('a header of the future', { [HEADER_IAT]: later }),
    await withHeader('a header whose time is text', { [HEADER_IAT]: String(nowSeconds) }),
    await withHeader('typ at+jwt', { typ: 'at+jwt' }),
    await withHeader('crit with two members', { crit: [HEADER_IAT, HEADER_ISS] }),
    await withHeader('crit with a member twice', { crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN, HEADER_TAN] }),
    await withHeader('crit with a member more', { crit: [...header.crit, 'b64'], b64: false }),
    await withHeader('a key in the header', { jwk: bank.jwk }),
    await withHeader('a URL in the header', { jku: 'https://evil.example/jwks' }),
    refused('no crit', await signed({ ...header, crit: undefined }), 'invalid_request'),
    refused('a member of the header twice', await signed(twice(header, 'alg'))),
    refused('a claim twice', await signed(header, twice(claimsOf(), 'aud'))),
    await withClaims('another issuer', { iss: 'https://other.example/' }, 'invalid_issuer'),
    await withClaims('another audience', { aud: 'tpp-client-2' }, 'invalid_audience'),
    await withClaims('an audience that is a list', { aud: [EXPECTED.clientId] }),
    await withClaims('iat of the future', { iat: later }),
    await withClaims('toe of the future', { toe: later }),
    await withClaims('iat with a fraction', { iat: nowSeconds - 0.5 }),
    await withClaims('exp of the past', { exp: nowSeconds - 3_600 }),
    await withClaims('no event', { events: {} }),
    refused('a claim less', await signed(header, withoutTxn), 'invalid_request'),
    refused('claims that are a list', await signed(header, '[]'), 'invalid_request'),
    refused('claims that are no JSON', await signed(header, '{"iss":'), 'invalid_request'),
    refused('an empty body', '', 'invalid_request'),
    refused('no token', '{"hello":"world"}', 'invalid_request'),
    refused('a token with a line feed', `${good}\n`, 'invalid_request'),
    refused('a token with a byte order mark', utf8(`\uFEFF${good}`), 'invalid_request'),
    refused('a token with padding', `${good}=`, 'invalid_request'),
    refused('a signature in another form of base64url', otherForm(good), 'invalid_request'),
    refused('four segments', `${good}.x`, 'invalid_request'),
    { name: 'another media type', body: good, status: 415, headers: { 'content-type': 'application/json' } },
    { name: 'a body of 200 000 bytes', body: 'x'.repeat(200_000), status: 413 },
  ];
}

function makeClaims(nowSeconds: number): SetClaims {
  const uri = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/pmt-7290-003';
  const subject = {
    subject_type: 'http://openbanking.org.uk/rid_http://openbanking.org.uk/rty',
    'http://openbanking.org.uk/rid': 'pmt-7290-003',
    'http://openbanking.org.uk/rty': 'domestic-payment',
    'http://openbanking.org.uk/rlk': [{ version: 'v4.0', link: uri }],
  } as const;
  const jti = 'b460a07c-4962-43d1-85ee-9dc10fbb8f6c';
  const ids = { iss: EXPECTED.issuer, aud: EXPECTED.clientId, jti, txn: jti, sub: uri };
  return {
    ...ids,
    iat: nowSeconds,
    toe: nowSeconds,
    events: { 'urn:uk:org:openbanking:events:resource-update': { subject } },
  };
}

function ownType(claims: SetClaims): SetClaims {
  return { ...claims, jti: 'own-type', events: { 'urn:example:own': {} } };
}

function twice(object: object, name: string): string {
  const text = JSON.stringify(object);
  return `{${JSON.stringify(name)}:"x",${text.slice(1)}`;
}

function alterSignature(token: string): string {
  const [header, payload, signature = ''] = token.split('.');
  return `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
}

function alterClaims(token: string, claims: SetClaims): string {
  const [header, , signature] = token.split('.');
  return `${header}.${encode(claims)}.${signature}`;
}

/** The same bytes: the last character of 256 bytes has four bits that count for nothing. */
function otherForm(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(token.slice(-1));
  return `${token.slice(0, -1)}${alphabet[last + 1]}`;
}

function hmacOf(bank: Participant, header: object, claims: SetClaims): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', JSON.stringify(bank.jwk)).update(input).digest('base64url')}`;
}

function rs256Of(bank: Participant, header: object, claims: SetClaims): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), bank.keyPem).toString('base64url')}`;
}

/** PS256 wants a salt of 32 bytes (RFC 7518 section 3.5). */
function saltOf(bank: Participant, header: object, claims: SetClaims): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const key = { key: bank.keyPem, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 20 };
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}
