import { compareVersions, EVENT_TYPES_SINCE_VERSION } from './versions.ts';

const OB_NAMESPACE = 'urn:uk:org:openbanking:';

/** The event types of the standard, by URN (rules, section 3). */
export const RESOURCE_UPDATE = 'urn:uk:org:openbanking:events:resource-update';
export const CONSENT_AUTHORIZATION_REVOKED = 'urn:uk:org:openbanking:events:consent-authorization-revoked';
export const ACCOUNT_LINKED_ACCOUNT_UPDATE =
  'urn:uk:org:openbanking:events:account-access-consent-linked-account-update';
export const CONSENT_ACCESS_REVOKED = 'urn:uk:org:openbanking:events:consent-access-revoked';
export const VRP_LINKED_ACCOUNT_UPDATE = 'urn:uk:org:openbanking:events:domestic-vrp-consent-linked-account-update';

/** An event type: its names, and the members that an event of this type may or must have. */
export interface EventTypeRule {
  readonly urn: string;
  /** The code that a TPP uses in `EventTypes`; undefined where the standard defines none. */
  readonly subscribeCode: string | undefined;
  /** Other spellings accepted in `EventTypes`. */
  readonly aliases: readonly string[];
  /**
   * When the event has a `subject`. `unless-resource-update`: optional when the same token has a resource-update,
   * required otherwise.
   */
  readonly subject: 'always' | 'unless-resource-update';
  readonly reasonAllowed: boolean;
  /** The only resource type that events of this type can be about. */
  readonly resourceType?: string;
}

/** An event type that the ASPSP defines under its own namespace. */
export interface OwnEventType {
  readonly urn: string;
  readonly subscribeCode: string;
}

const STANDARD_TYPES: readonly EventTypeRule[] = [
  {
    urn: RESOURCE_UPDATE,
    subscribeCode: 'UK.OBIE.Resource-Update',
    aliases: [],
    subject: 'always',
    reasonAllowed: false,
  },
  {
    urn: CONSENT_AUTHORIZATION_REVOKED,
    subscribeCode: 'UK.OBIE.Consent-Authorization-Revoked',
    aliases: [],
    subject: 'unless-resource-update',
    reasonAllowed: true,
  },
  {
    urn: ACCOUNT_LINKED_ACCOUNT_UPDATE,
    subscribeCode: 'UK.OBIE.Account-Access-Consent-Linked-Account-Update',
    // The misspelling of v3.1.2 and v3.1.3.
    aliases: ['UK.OBIE.Acount-Access-Consent-Linked-Account-Update'],
    subject: 'always',
    reasonAllowed: true,
    resourceType: 'account-access-consent',
  },
  {
    urn: CONSENT_ACCESS_REVOKED,
    subscribeCode: 'UK.OBIE.Consent-Access-Revoked',
    aliases: [],
    subject: 'unless-resource-update',
    reasonAllowed: true,
  },
  {
    urn: VRP_LINKED_ACCOUNT_UPDATE,
    subscribeCode: undefined,
    aliases: [],
    subject: 'always',
    reasonAllowed: true,
    resourceType: 'domestic-vrp-consent',
  },
];

const STANDARD_TYPE_BY_URN = new Map(STANDARD_TYPES.map((rule) => [rule.urn, rule]));

/** The event type of the standard with this URN; undefined when the standard does not define it. */
export function standardEventType(urn: string): EventTypeRule | undefined {
  return STANDARD_TYPE_BY_URN.get(urn);
}

/** The event types that one ASPSP supports: those of the standard, and its own. */
export class EventTypeCatalogue {
  readonly #byName = new Map<string, EventTypeRule>();
  readonly #rules: readonly EventTypeRule[];

  /** @throws {TypeError} when an own type is in the namespace of the standard, or a name is defined twice */
  constructor(ownTypes: readonly OwnEventType[] = []) {
    for (const own of ownTypes) {
      if (own.urn.startsWith(OB_NAMESPACE) || own.subscribeCode.startsWith('UK.OBIE.')) {
        throw new TypeError(
          `the event type ${own.urn} is in the namespace of the standard; use a namespace of your own`,
        );
      }
    }
    const own = ownTypes.map(
      (type): EventTypeRule => ({ ...type, aliases: [], subject: 'always', reasonAllowed: true }),
    );
    this.#rules = [...STANDARD_TYPES, ...own];
    for (const rule of this.#rules) {
      const code = rule.subscribeCode === undefined || rule.subscribeCode === rule.urn ? [] : [rule.subscribeCode];
      for (const name of [rule.urn, ...code, ...rule.aliases]) {
        if (this.#byName.has(name)) throw new TypeError(`the event type ${name} is defined twice`);
        this.#byName.set(name, rule);
      }
    }
  }

  /** The event type with this URN, subscribe code or alias; undefined when it is not supported. */
  find(name: string): EventTypeRule | undefined {
    return this.#byName.get(name);
  }

  /** All supported event types, those of the standard first. */
  get all(): readonly EventTypeRule[] {
    return this.#rules;
  }
}

/** The part of a registration that selects its event types. */
export interface EventTypeFilter {
  /** `Data.Version` of the registration. */
  readonly version: string;
  /** `Data.EventTypes` as the TPP sent it; undefined when it was omitted. */
  readonly eventTypes: readonly string[] | undefined;
}

/**
 * Selects the types of an event that a registration receives (rules, section 2). Omitted or empty `EventTypes` select
 * all types. A version below 3.1.2 selects resource-update only, whatever `EventTypes` says. A type without a subscribe
 * code goes to registrations for all types and to those that name its URN.
 */
export function filterEventTypes(
  types: readonly EventTypeRule[],
  filter: EventTypeFilter,
  catalogue: EventTypeCatalogue,
): readonly EventTypeRule[] {
  if (compareVersions(filter.version, EVENT_TYPES_SINCE_VERSION) < 0) {
    return types.filter((type) => type.urn === RESOURCE_UPDATE);
  }
  if (filter.eventTypes === undefined || filter.eventTypes.length === 0) return types;
  const wanted = new Set(filter.eventTypes.map((name) => catalogue.find(name)?.urn));
  return types.filter((type) => wanted.has(type.urn));
}
