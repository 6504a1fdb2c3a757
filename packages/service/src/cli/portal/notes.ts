import { API_VERSIONS, SPECIFICATION_VERSION_MAX } from '@tidings/protocol';
import type { Config } from '../../config/schema.ts';
import { featuresOf } from '../../openapi/features.ts';
import { errorNotes, eventTypeNotes, registrationNotes, securityNotes, signingNotes, versionNotes } from './api.ts';
import { pollingNotes, realTimeNotes } from './delivery.ts';
import { code, formatDuration, formatTable, reflow } from './markdown.ts';

/**
 * Formats what the standard requires an ASPSP to tell TPPs about its event notifications, as Markdown. Everything follows
 * from the configuration and the code that runs on it, so the portal cannot promise what the service does not do.
 */
export function portalNotes(config: Config): string {
  const sections = [
    introduction(config),
    endpointNotes(config),
    eventTypeNotes(config),
    registrationNotes(config),
    versionNotes(),
    ...(config.realTime.isOffered ? [realTimeNotes(config)] : []),
    ...(config.polling.isOffered ? [pollingNotes(config)] : []),
    retentionNotes(config),
    securityNotes(config),
    signingNotes(config),
    errorNotes(),
  ];
  return `${sections.map(reflow).join('\n\n')}\n`;
}

function introduction({ issuer, realTime, polling }: Config): string {
  const ways = [
    ...(realTime.isOffered ? ['in real time, to your callback URL'] : []),
    ...(polling.isOffered ? ['by aggregated polling'] : []),
  ];
  return `# Event notifications

We notify you of events that concern the resources you have consent for: ${ways.join(', and ')}. We follow the UK Open Banking
Read/Write API Specification up to version ${SPECIFICATION_VERSION_MAX}. The issuer (${code('iss')}) of our event notifications is ${code(issuer)}.`;
}

function endpointNotes(config: Config): string {
  const { hasCallbackUrls, hasPolling } = featuresOf(config);
  const base = `${config.api.publicUrl?.replace(/\/$/, '') ?? ''}${config.api.prefix}`;
  const rows = API_VERSIONS.flatMap((version) => {
    const path = (name: string) => code(`${base}/open-banking/${version}/${name}`);
    return [
      [version, path('event-subscriptions'), 'POST, GET'],
      [version, path('event-subscriptions/{EventSubscriptionId}'), 'PUT, DELETE'],
      ...(hasCallbackUrls
        ? [
            [version, path('callback-urls'), 'POST, GET'],
            [version, path('callback-urls/{CallbackUrlId}'), 'PUT, DELETE'],
          ]
        : []),
      ...(hasPolling ? [[version, path('events'), 'POST']] : []),
    ];
  });
  const keys = ['', code(`${base}${config.api.jwksPath}`), 'GET'];
  const missing = [
    ...(config.realTime.isOffered ? [] : ['real-time notifications (a registration with `CallbackUrl` is refused)']),
    ...(hasCallbackUrls ? [] : ['the resource `callback-urls`']),
    ...(hasPolling ? [] : ['aggregated polling']),
  ];
  return `## Endpoints

${formatTable(['version', 'endpoint', 'methods'], [...rows, keys])}

The last endpoint is our JWKS.${missing.length === 0 ? '' : ` We do not offer ${missing.join(', or ')}.`}`;
}

function retentionNotes({ realTime, polling, retention }: Config): string {
  const ways = [...(realTime.isOffered ? ['by a 202'] : []), ...(polling.isOffered ? ['in a poll'] : [])].join(' or ');
  return `## Retention

A notification that you have not acknowledged, ${ways}, ${retention.awaitingMs === undefined ? 'is kept without a time limit' : `expires after ${formatDuration(retention.awaitingMs)}`}. It is withdrawn when you delete its
registration, or when we remove you as a TPP. An event that happens while you have no registration creates no notification,
neither then nor later.`;
}
