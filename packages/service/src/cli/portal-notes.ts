import { API_VERSIONS, SPECIFICATION_VERSION_MAX } from '@tidings/protocol';
import type { Command } from 'commander';
import { print } from '../base/output.ts';
import type { Config } from '../config/schema.ts';
import { featuresOf } from '../openapi/features.ts';
import {
  errorNotes,
  eventTypeNotes,
  registrationNotes,
  securityNotes,
  signingNotes,
  versionNotes,
} from './portal/api.ts';
import { pollingNotes, realTimeNotes } from './portal/delivery.ts';
import { code, markdownTable, reflow, sayDuration } from './portal/markdown.ts';

/** `tidings portal-notes`: what the standard makes an ASPSP tell TPPs, as Markdown. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addHelpText(
      'after',
      `
Example:
  tidings portal-notes --config /etc/tidings/tidings.json > event-notifications.md

Run it again when you change the configuration: TPPs rely on what it says.

Exit codes: 0 done; 2 wrong use, or the configuration is not good.`,
    )
    .action(async ({ config: file }: { config: string }) => {
      const { loadConfig } = await import('../config/load.ts');
      print(portalNotes(loadConfig(file)));
    });
}

/**
 * The notes about event notifications that the standard makes an ASPSP give to TPPs, as Markdown. All of it follows from the
 * configuration and the code that runs on it, so that the portal cannot promise anything else than the service does.
 */
function portalNotes(config: Config): string {
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
    ...(realTime.isOffered ? ['in real time, to a callback URL of yours'] : []),
    ...(polling.isOffered ? ['by aggregated polling'] : []),
  ];
  return `# Event notifications

We tell you what happens to the resources you own with us ${ways.join(', and ')}, by the UK Open Banking Read/Write API
Specification up to version ${SPECIFICATION_VERSION_MAX}. The issuer (${code('iss')}) of our event notifications is ${code(issuer)}.`;
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
    ...(config.realTime.isOffered ? [] : ['real-time notifications, so `CallbackUrl` is refused']),
    ...(hasCallbackUrls ? [] : ['the resource `callback-urls`']),
    ...(hasPolling ? [] : ['aggregated polling']),
  ];
  return `## Endpoints

${markdownTable(['version', 'endpoint', 'methods'], [...rows, keys])}

The last one is our JWKS.${missing.length === 0 ? '' : ` We do not offer ${missing.join(', nor ')}.`}`;
}

function retentionNotes({ realTime, polling, retention }: Config): string {
  const ways = [...(realTime.isOffered ? ['by a 202'] : []), ...(polling.isOffered ? ['in a poll'] : [])].join(' or ');
  return `## Retention

What you have not acknowledged, ${ways}, ${retention.awaitingMs === undefined ? 'stays awaiting without a limit of time: nothing is dropped' : `stays awaiting for ${sayDuration(retention.awaitingMs)}, and expires then`}. It ends when you delete the
registration that it is for, or when we remove you as a TPP; what is awaiting is then withdrawn. An event that happens while
you have no registration makes no notification, neither then nor later.`;
}
