import { EventTypeCatalogue, type EventTypeRule, SPECIFICATION_VERSION_MAX } from '@tidings/protocol';
import type { Config } from '../../config/schema.ts';
import { offerOf } from '../../openapi/offer.ts';
import { code, markdownTable } from './words.ts';

/** Which events there are, and what to write to get them. */
export function eventTypeNotes({ ownEventTypes, eventTypesUrl }: Config): string {
  const own = new Set(ownEventTypes.map(({ urn }) => urn));
  const rows = new EventTypeCatalogue(ownEventTypes).all.map((type) => [
    type.subscribeCode === undefined ? 'none; see below' : code(type.subscribeCode),
    code(type.urn),
    own.has(type.urn) ? 'ours' : 'the standard',
    sayAliases(type),
  ]);
  return `## Event types

${markdownTable(['in `EventTypes`', 'in the event notification', 'defined by', 'also accepted'], rows)}

Left out, or empty, \`EventTypes\` means all of them; you read back what you sent. The type without a code goes to
registrations for all types, and to those that name its URN. An unknown type is refused.${
    eventTypesUrl === undefined ? '' : ` The list is also at ${eventTypesUrl}.`
  }`;
}

function sayAliases({ aliases, subscribeCode, urn }: EventTypeRule): string {
  const urnAlone = subscribeCode === undefined || subscribeCode === urn ? [] : ['the URN'];
  return [...urnAlone, ...aliases.map(code)].join(', ');
}

/** Who may register what, and where to. */
export function registrationNotes(config: Config): string {
  const { hasRealTime, hasCallbackUrls } = offerOf(config);
  const callbackUrl = hasRealTime
    ? `- \`CallbackUrl\` is used exactly as you send it; we append nothing. It must start with \`https://\`, have at most 2,048
  characters, no query, fragment or user name, be written as URLs are normalised (host in lower case, no default port, no dot
  segments), and end with the API version and \`/event-notifications\`, as in
  \`https://tpp.example/open-banking/v4.0/event-notifications\`. Through v3.1 it may lack the version. Leave it out to poll.`
    : '- `CallbackUrl` is not expected: leave it out, and poll.';
  return `## Registrations

- One event subscription per client_id. A second POST is 409: change the one there is, or delete it.
${callbackUrl}
- A PUT carries \`EventSubscriptionId\`, equal to the one in the path. What is awaiting goes to the new URL.
- A DELETE withdraws what is awaiting.${
    hasCallbackUrls
      ? `
- A callback URL (\`callback-urls\`, one per client_id) gets resource-update only, in real time only. An event subscription
  supersedes it, and takes over what is awaiting for it; when that is deleted, the callback URL holds again.`
      : ''
  }`;
}

/** What a version means. */
export function versionNotes(): string {
  return `## Versions

- \`Version\` is a minimum: you get events about resources of that version and of later ones. Major and minor count. At most
  ${SPECIFICATION_VERSION_MAX}.
- Below 3.1.2 (3.1, 3.1.0, 3.1.1) a registration gets resource-update only, whatever \`EventTypes\` says.
- A registration made through v4.0 cannot be read, changed or deleted through v3.1: GET is an empty list, PUT and DELETE are
  403, and a POST is 409. One made through v3.1 can be used through v4.0; a PUT through v4.0 lifts it to v4.0.
- Each event notification holds links to the resource in all versions that we serve.`;
}
