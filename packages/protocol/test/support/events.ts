import assert from 'node:assert/strict';
import {
  type ClaimsInput,
  type EventTypeRule,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  SUBJECT_TYPE,
  standardEventType,
} from '../../src/index.ts';
import { NOW_SECONDS } from './parties.ts';

export const ISSUER = 'https://examplebank.example/';
export const CLIENT_ID = '7umx5nTR33811QyQfi';
export const JTI = 'b460a07c-4962-43d1-85ee-9dc10fbb8f6c';
export const CONSENT_URI = 'https://examplebank.example/open-banking/v4.0/aisp/account-access-consents/88379';

/** The rule of a type of the standard. */
export function rule(urn: string): EventTypeRule {
  return standardEventType(urn) ?? assert.fail(`${urn} is not a type of the standard`);
}

/** What the claims of a consent's change are made of, with parts changed. */
export function claimsInput(changes: Partial<ClaimsInput> & Pick<ClaimsInput, 'events'>): ClaimsInput {
  return {
    issuer: ISSUER,
    jti: JTI,
    clientId: CLIENT_ID,
    nowMs: NOW_SECONDS * 1000,
    occurredAtMs: (NOW_SECONDS - 5) * 1000,
    transactionId: undefined,
    resource: {
      id: '88379',
      type: 'account-access-consent',
      uri: CONSENT_URI,
      links: [
        { version: 'v3.1', link: CONSENT_URI.replace('v4.0', 'v3.1') },
        { version: 'v4.0', link: CONSENT_URI },
      ],
    },
    ...changes,
  };
}

/** A subject that keeps every rule, with members changed; a member given as undefined is left out. */
export function subject(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return defined({
    subject_type: SUBJECT_TYPE,
    [RESOURCE_ID]: '88379',
    [RESOURCE_TYPE]: 'account-access-consent',
    [RESOURCE_LINKS]: [{ version: 'v4.0', link: CONSENT_URI }],
    ...changes,
  });
}

/** Claims that keep every rule, with claims changed; a claim given as undefined is left out. */
export function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return defined({
    iss: ISSUER,
    iat: NOW_SECONDS - 1,
    jti: JTI,
    aud: CLIENT_ID,
    sub: CONSENT_URI,
    txn: '93bac548-d2de-4546-b106-880a5018460d',
    toe: NOW_SECONDS - 5,
    events: { 'urn:uk:org:openbanking:events:resource-update': { subject: subject() } },
    ...changes,
  });
}

function defined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
