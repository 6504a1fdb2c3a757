import type { ReactElement } from 'react';
import { formatUtc } from '../ui/time.tsx';

/** Meanings of the members of a SET: RFC 8417, RFC 7515, and the Event Notification API of Open Banking. */
const MEANINGS: Readonly<Record<string, string>> = {
  iss: 'Issuer: who says it, the bank',
  iat: 'When the token was made',
  jti: 'Id of this token; the TPP recognises duplicates by it',
  sub: 'Subject: URI of the resource that the event is about',
  aud: 'Audience: client_id of the TPP that it is for',
  txn: 'Transaction: the x-fapi-interaction-id of the call that caused the change',
  toe: 'Time of event: when it happened at the bank',
  events: 'What happened, by event type',
  alg: 'Algorithm of the signature: RSASSA-PSS with SHA-256',
  kid: 'Id of the key that signed it, in the JWKS of the bank',
  typ: 'Type: a security event token',
  cty: 'Content type of the payload',
  crit: 'Header members that a reader must understand',
  'http://openbanking.org.uk/iat': 'When it was signed',
  'http://openbanking.org.uk/iss': 'Who signed it: organisation id of the bank',
  'http://openbanking.org.uk/tan': 'Trust anchor: who vouches for the key',
};

const TIMES = new Set(['iat', 'toe', 'exp', 'http://openbanking.org.uk/iat']);

/** Members of a token, each with its meaning. */
export function ClaimsTable({ title, claims }: { readonly title: string; readonly claims: object }): ReactElement {
  return (
    <table className="claims">
      <caption>{title}</caption>
      <thead>
        <tr>
          <th scope="col">Member</th>
          <th scope="col">Value and meaning</th>
        </tr>
      </thead>
      <tbody>
        {Object.entries(claims).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">
              <code>{name.replace('http://openbanking.org.uk/', 'ob/')}</code>
            </th>
            <td>
              <ClaimValue name={name} value={value} />
              <span className="help">{MEANINGS[name] ?? 'A member of this bank'}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ClaimValue({ name, value }: { readonly name: string; readonly value: unknown }): ReactElement {
  if (TIMES.has(name) && typeof value === 'number') {
    return (
      <code>
        {value} ({formatUtc(new Date(value * 1000).toISOString())})
      </code>
    );
  }
  if (typeof value === 'object' && value !== null) return <pre>{JSON.stringify(value, undefined, 2)}</pre>;
  return <code>{String(value)}</code>;
}
