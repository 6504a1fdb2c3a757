import type { Clock } from '../base/clock.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { Config } from '../config/schema.ts';
import type { MessageKind } from '../model/alert.ts';
import { createHttpsClient, isHttpsUrl } from '../net/https-client.ts';
import { createSmtpClient } from '../net/smtp-client.ts';
import { readCertificates, readSecret, type Secret } from '../trust/files.ts';
import type { Channel } from './channel.ts';
import { createEmail } from './email.ts';
import { createSlack } from './slack.ts';
import { createWebhook } from './webhook.ts';

/** Where alerts are sent. */
export interface Destination {
  readonly name: string;
  readonly type: 'webhook' | 'slack' | 'email';
  readonly kinds: readonly MessageKind[];
  readonly channel: Channel;
}

type Notify = Config['notify'];

// What they answer is not read.
const RESPONSE_BYTES_MAX = 65_536;
const CONNECTIONS_MAX = 2;

/**
 * Makes the destinations of the configuration, and reads their secrets.
 *
 * @throws {StartUpError} naming setting and file
 */
export function createDestinations(notify: Notify, clock: Clock): readonly Destination[] {
  return [
    ...notify.webhooks.map((each, at) => {
      const setting = `notify.webhooks[${at}]`;
      const url = readUrl(readSecret(`${setting}.url`, each.url, each.urlFile));
      const secrets = readWebhookSecrets(readSecret(`${setting}.secret`, each.secret, each.secretFile));
      const https = httpsOf(setting, each, notify.timeoutMs, clock);
      return { ...named(each), type: 'webhook' as const, channel: createWebhook({ url, secrets, https, clock }) };
    }),
    ...notify.slack.map((each, at) => {
      const setting = `notify.slack[${at}]`;
      const url = readUrl(readSecret(`${setting}.url`, each.url, each.urlFile));
      const https = httpsOf(setting, each, notify.timeoutMs, clock);
      return { ...named(each), type: 'slack' as const, channel: createSlack({ url, https }) };
    }),
    ...notify.email.map((each, at) => {
      const smtp = smtpOf(`notify.email[${at}]`, each, notify.timeoutMs, clock);
      return { ...named(each), type: 'email' as const, channel: createEmail({ ...each, smtp, clock }) };
    }),
  ];
}

function named({ name, kinds }: { readonly name: string; readonly kinds: readonly MessageKind[] }) {
  return { name, kinds };
}

/** The bank chose the URL, which may lead into its own network: no guard. */
function httpsOf(
  setting: string,
  { caFile, proxyUrl }: { readonly caFile?: string; readonly proxyUrl?: string },
  timeoutMs: number,
  clock: Clock,
) {
  const tls = caFile === undefined ? {} : { ca: readCertificates(`${setting}.caFile`, caFile) };
  return createHttpsClient({
    ...{ tls, guard: undefined, proxyUrl, timeoutMs, clock },
    responseBytesMax: RESPONSE_BYTES_MAX,
    connectionsPerOriginMax: CONNECTIONS_MAX,
  });
}

function smtpOf(setting: string, email: Notify['email'][number], timeoutMs: number, clock: Clock) {
  const { host, port, encryption, user, caFile } = email;
  const password = readSecret(`${setting}.password`, email.password, email.passwordFile)?.text;
  return createSmtpClient({
    ...{ host, port, encryption, timeoutMs, clock },
    credentials: user === undefined || password === undefined ? undefined : { user, password },
    ca: caFile === undefined ? undefined : readCertificates(`${setting}.caFile`, caFile),
  });
}

/** The message does not repeat the URL, which may be a secret. */
function readUrl({ text, where }: Secret = MISSING): string {
  const url = text.trim();
  if (isHttpsUrl(url)) return url;
  throw new StartUpError(`${where} does not hold an https URL on its first line.`);
}

// The schema requires one of the two settings.
const MISSING: Secret = { text: '', where: 'The configuration' };

const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;
const SECRETS_MAX = 2;

function readWebhookSecrets({ text, where }: Secret = MISSING): readonly Uint8Array[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const secrets = lines.map((line) => Buffer.from(/^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(line)?.[1] ?? '', 'base64'));
  const isGood = ({ length }: Uint8Array) => length >= SECRET_BYTES_MIN && length <= SECRET_BYTES_MAX;
  if (secrets.length > 0 && secrets.length <= SECRETS_MAX && secrets.every(isGood)) return secrets;
  throw new StartUpError(
    `${where} does not hold one secret, or two, such as "whsec_" and ${SECRET_BYTES_MIN} to ` +
      `${SECRET_BYTES_MAX} bytes in base64; make one with: echo "whsec_$(openssl rand -base64 32)".`,
  );
}
