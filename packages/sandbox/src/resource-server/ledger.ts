import { randomUUID } from 'node:crypto';

/** Changes at the bank: for the flow, the button of the console, and `tidings trigger`. */
export const CHANGES = ['payment-settled', 'consent-revoked', 'account-closed', 'funds-consent-revoked'] as const;
export type Change = (typeof CHANGES)[number];

/** Whether a value names a change. */
export function isChange(value: unknown): value is Change {
  return CHANGES.some((change) => change === value);
}

/** One consent or payment of one TPP. */
export interface Resource {
  readonly id: string;
  /** Resource type as in `rty`. */
  readonly type: 'domestic-payment' | 'account-access-consent' | 'funds-confirmation-consent';
  /** client_id of the TPP that owns the resource. */
  readonly clientId: string;
  readonly status: string;
  readonly statusChangedAtMs: number;
  readonly createdAtMs: number;
}

/** An event in the format of `POST /operator/v1/events`. */
export interface EventToPublish {
  readonly id: string;
  readonly clientId: string;
  readonly occurredAt: string;
  readonly transactionId: string;
  readonly resource: {
    readonly id: string;
    readonly type: string;
    readonly version: string;
    readonly uri: string;
    readonly links: readonly { readonly version: string; readonly link: string }[];
  };
  readonly events: readonly { readonly type: string; readonly reason?: string }[];
}

/** A change of a resource, and the standard's events that it causes (rules, section 3). */
interface ChangePlan {
  readonly type: Resource['type'];
  readonly statusBefore: string;
  readonly statusAfter: string;
  /** A sentence without its full stop. */
  readonly title: string;
  readonly events: EventToPublish['events'];
}

const PLANS: Readonly<Record<Change, ChangePlan>> = {
  'payment-settled': {
    type: 'domestic-payment',
    statusBefore: 'PDNG',
    statusAfter: 'ACSC',
    title: 'A payment is settled',
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  },
  'consent-revoked': {
    type: 'account-access-consent',
    statusBefore: 'AUTH',
    // The authorisation is revoked; the status of the consent does not change.
    statusAfter: 'AUTH',
    title: 'A customer revokes a consent',
    events: [{ type: 'UK.OBIE.Consent-Authorization-Revoked' }],
  },
  'account-closed': {
    type: 'account-access-consent',
    statusBefore: 'AUTH',
    statusAfter: 'AUTH',
    title: 'An account to which a consent is linked is closed',
    events: [{ type: 'UK.OBIE.Account-Access-Consent-Linked-Account-Update', reason: 'UK.OBIE.AccountClosure' }],
  },
  'funds-consent-revoked': {
    type: 'funds-confirmation-consent',
    statusBefore: 'AUTH',
    statusAfter: 'CANC',
    title: 'A customer revokes a funds confirmation consent',
    events: [{ type: 'UK.OBIE.Resource-Update' }, { type: 'UK.OBIE.Consent-Authorization-Revoked' }],
  },
};

const PATHS: Readonly<Record<Resource['type'], string>> = {
  'domestic-payment': 'pisp/domestic-payments',
  'account-access-consent': 'aisp/account-access-consents',
  'funds-confirmation-consent': 'cbpii/funds-confirmation-consents',
};

/** Versions of the API under which every resource is available. */
const VERSIONS = ['v3.1', 'v4.0'] as const;
const RESOURCES_MAX = 10_000;

/** Paths of resources at the resource server, with `:id` as placeholder. */
export const RESOURCE_PATHS: readonly string[] = VERSIONS.flatMap((version) =>
  Object.values(PATHS).map((path) => `/open-banking/${version}/${path}/:id`),
);

/** The bank's consents and payments, in memory, bounded. */
export class Ledger {
  readonly #resources = new Map<string, Resource>();

  /** Creates a resource of a TPP in the state before a change. */
  open(change: Change, clientId: string, nowMs: number): Resource {
    const { type, statusBefore: status } = PLANS[change];
    const resource = { id: randomUUID(), type, clientId, status, statusChangedAtMs: nowMs, createdAtMs: nowMs };
    this.#resources.set(resource.id, resource);
    const oldest = this.#resources.keys().next();
    if (this.#resources.size > RESOURCES_MAX && !oldest.done) this.#resources.delete(oldest.value);
    return resource;
  }

  /** Applies a change to a resource. */
  change(resource: Resource, change: Change, nowMs: number): Resource {
    const changed = { ...resource, status: PLANS[change].statusAfter, statusChangedAtMs: nowMs };
    this.#resources.set(resource.id, changed);
    return changed;
  }

  find(type: Resource['type'], id: string): Resource | undefined {
    const found = this.#resources.get(id);
    return found?.type === type ? found : undefined;
  }
}

/** A sentence without its full stop, such as "A payment is settled". */
export function titleOf(change: Change): string {
  return PLANS[change].title;
}

/** The event types of the standard that a change causes, such as `UK.OBIE.Resource-Update`. */
export function eventTypesOf(change: Change): readonly string[] {
  return PLANS[change].events.map(({ type }) => type);
}

/** Creates the event of a change. @param origin of the resource server, as in `https://localhost:8441` */
export function eventOf(change: Change, resource: Resource, origin: string, transactionId: string): EventToPublish {
  const links = VERSIONS.map((version) => ({
    version,
    link: `${origin}/open-banking/${version}/${PATHS[resource.type]}/${resource.id}`,
  }));
  return {
    id: randomUUID(),
    clientId: resource.clientId,
    occurredAt: new Date(resource.statusChangedAtMs).toISOString(),
    transactionId,
    resource: {
      id: resource.id,
      type: resource.type,
      version: '4.0',
      uri: links.at(-1)?.link ?? origin,
      links,
    },
    events: PLANS[change].events,
  };
}

/** Parses a path of the resource server; undefined if it names no resource. */
export function resourceNamed(path: string): { type: Resource['type']; id: string; family: string } | undefined {
  const match = /^\/open-banking\/(?:v3\.1|v4\.0)\/((aisp|pisp|cbpii)\/[a-z-]+)\/([0-9a-f-]{36})$/.exec(path);
  const type = Object.entries(PATHS).find(([, resourcePath]) => resourcePath === match?.[1])?.[0];
  if (match?.[2] === undefined || match[3] === undefined || type === undefined || !isResourceType(type))
    return undefined;
  return { type, id: match[3], family: match[2] };
}

function isResourceType(type: string): type is Resource['type'] {
  return Object.hasOwn(PATHS, type);
}
