import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
  SUBJECT_TYPE,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '@tidings/protocol';
import { changed, forge, type Part, pss, type Signing } from './forge.ts';

/** A signing key of the bank. */
export interface BankKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

/** Who the bank is, and for whom it signs. */
export interface BankIdentity {
  readonly issuer: string;
  readonly organisationId: string;
  readonly trustAnchor: string;
  readonly clientId: string;
  /** Base URL of the resources that events are about, without a slash at its end. */
  readonly resourceUrl: string;
  readonly key: BankKey;
}

/** Surroundings of {@link Bank}. */
export interface BankDependencies {
  readonly nowSeconds: () => number;
  readonly randomUuid: () => string;
}

/** Members that differ from those of a good token; undefined takes one out. */
type Changes = Readonly<Record<string, unknown>>;

/** A token in parts. */
export interface TokenParts {
  readonly header?: Changes;
  readonly claims?: Changes;
  readonly signing?: Signing;
}

/** A resource that an event can be about. */
export interface Subject {
  readonly type: string;
  /** Versions of the API for which there are links. Default: 3.1 and 4.0. */
  readonly versions?: readonly string[];
}

const PATHS: Readonly<Record<string, string>> = {
  'account-access-consent': 'aisp/account-access-consents',
  'funds-confirmation-consent': 'cbpii/funds-confirmation-consents',
  'domestic-payment': 'pisp/domestic-payments',
  'domestic-vrp-consent': 'pisp/domestic-vrp-consents',
};
const VERSIONS = ['3.1', '4.0'] as const;

/** The event types of the standard, each with the type of a resource that it can be about. */
export const EVENT_SAMPLES: readonly (readonly [urn: string, resourceType: string])[] = [
  [RESOURCE_UPDATE, 'domestic-payment'],
  [CONSENT_AUTHORIZATION_REVOKED, 'account-access-consent'],
  [ACCOUNT_LINKED_ACCOUNT_UPDATE, 'account-access-consent'],
  [CONSENT_ACCESS_REVOKED, 'domestic-vrp-consent'],
  [VRP_LINKED_ACCOUNT_UPDATE, 'domestic-vrp-consent'],
];

/** Writes event notifications as the bank would (rules, sections 3 and 5), and as it never would. */
export class Bank {
  readonly identity: BankIdentity;
  readonly #dependencies: BankDependencies;

  constructor(identity: BankIdentity, dependencies: BankDependencies) {
    this.identity = identity;
    this.#dependencies = dependencies;
  }

  /** Whole seconds since the epoch. */
  nowSeconds(): number {
    return Math.floor(this.#dependencies.nowSeconds());
  }

  uuid(): string {
    return this.#dependencies.randomUuid();
  }

  /** The public key in PEM. */
  publicKeyPem(): string {
    return createPublicKey(this.identity.key.privateKey).export({ type: 'spki', format: 'pem' }).toString();
  }

  /** The JOSE header of the standard. */
  header(changes: Changes = {}): Record<string, unknown> {
    const { key, organisationId, trustAnchor } = this.identity;
    return changed(
      {
        alg: 'PS256',
        kid: key.kid,
        [HEADER_IAT]: this.nowSeconds(),
        [HEADER_ISS]: organisationId,
        [HEADER_TAN]: trustAnchor,
        crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
      },
      changes,
    );
  }

  /** The claims of a resource-update of a new payment. */
  claims(changes: Changes = {}): Record<string, unknown> {
    const subject = this.subject({ type: 'domestic-payment' });
    const now = this.nowSeconds();
    return changed(
      {
        iss: this.identity.issuer,
        iat: now,
        jti: this.uuid(),
        aud: this.identity.clientId,
        sub: subject[RESOURCE_LINKS].at(-1)?.link,
        txn: this.uuid(),
        toe: now,
        events: { [RESOURCE_UPDATE]: { subject } },
      },
      changes,
    );
  }

  /** `OBEventSubject1` of a new resource. */
  subject({ type, versions = VERSIONS }: Subject) {
    const id = `${type}-${this.uuid()}`;
    const links = versions.map((version) => {
      return {
        version,
        link: `${this.identity.resourceUrl}/v${version.replace(/^v/, '')}/${PATHS[type] ?? type}/${id}`,
      };
    });
    return { subject_type: SUBJECT_TYPE, [RESOURCE_ID]: id, [RESOURCE_TYPE]: type, [RESOURCE_LINKS]: links };
  }

  /** The claims of an event of a type about a new resource. */
  eventClaims(urn: string, subject: Subject, content: Changes = {}): Record<string, unknown> {
    const written = this.subject(subject);
    return this.claims({
      sub: written[RESOURCE_LINKS].at(-1)?.link,
      events: { [urn]: { ...content, subject: written } },
    });
  }

  /** A good token, but for the given changes. */
  token({ header, claims, signing }: TokenParts = {}): string {
    return this.sign(this.header(header), this.claims(claims), signing);
  }

  /** Signs any header and payload; default: PS256 with the bank's key. */
  sign(header: Part, payload: Part, signing: Signing = pss(this.identity.key.privateKey)): string {
    return forge(header, payload, signing);
  }
}
