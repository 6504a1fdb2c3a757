import { isIP } from 'node:net';
import { parseArgs, parseEnv } from 'node:util';
import { checkTolerances, type SetVerification, type Tolerance } from '../notification/set-verifier.ts';
import { keysOf, readText, UsageError } from './inputs.ts';

/** Settings of `listen`, checked. */
export interface ListenSettings {
  readonly verification: SetVerification;
  readonly host: string;
  readonly port: number;
  /** Undefined for plain HTTP. PEM texts. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly countMax: number | undefined;
  readonly json: boolean;
  /** The bank and the TPP in words, for the first line. */
  readonly about: string;
}

const OPTIONS = {
  'env-file': { type: 'string' },
  jwks: { type: 'string' },
  'ca-file': { type: 'string' },
  issuer: { type: 'string' },
  signer: { type: 'string' },
  'client-id': { type: 'string' },
  'trust-anchor': { type: 'string', multiple: true },
  tolerate: { type: 'string', multiple: true },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string' },
  count: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** The variable of a `tpp.env` that stands for an option. */
const VARIABLES = {
  jwks: 'BANK_JWKS_URL',
  'ca-file': 'SANDBOX_CA_FILE',
  issuer: 'BANK_ISSUER',
  signer: 'BANK_ORGANISATION_ID',
  'client-id': 'TPP_CLIENT_ID',
  'tls-cert': 'TPP_RECEIVER_CERTIFICATE_FILE',
  'tls-key': 'TPP_RECEIVER_KEY_FILE',
} as const;

const PORT = 9443;
const PORT_MAX = 65_535;

/** Reads the options of `listen`, and the files that they name. @throws {UsageError} */
export async function listenSettings(args: readonly string[]): Promise<ListenSettings> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const file = values['env-file'];
  const variables = file === undefined ? {} : parseEnv(await readText('--env-file', file));
  const optional = (name: keyof typeof VARIABLES) => values[name] ?? variables[VARIABLES[name]];
  const required = (name: keyof typeof VARIABLES) =>
    optional(name) ?? fail(`--${name} is missing; give it, or a --env-file with ${VARIABLES[name]}.`);
  const callbackUrl = variables['TPP_CALLBACK_URL'];
  const [issuer, signer, clientId] = [required('issuer'), required('signer'), required('client-id')];
  const verification = {
    ...{ issuer, signer, clientId, keys: await keysOf(required('jwks'), optional('ca-file')) },
    ...(values['trust-anchor'] !== undefined && { trustAnchors: values['trust-anchor'] }),
    tolerate: tolerancesOf(values.tolerate ?? []),
  };
  const tls = await tlsOf(optional('tls-cert'), optional('tls-key'));
  return {
    ...{ verification, tls, json: values.json },
    host: hostOf(values.host, tls !== undefined),
    port: portOf(values.port, callbackUrl),
    countMax: values.count === undefined ? undefined : wholeOf('--count', values.count, 1, Number.MAX_SAFE_INTEGER),
    about: `notifications of ${issuer} to ${clientId}${callbackUrl === undefined ? '' : ` at ${callbackUrl}`}`,
  };
}

/** Notifications without TLS stay on this machine: what ends TLS in front runs here too. */
function hostOf(host: string, isTls: boolean): string {
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (isTls || isLoopback) return host;
  return fail(`--host: plain HTTP is for the loopback only, not for ${host}; give --tls-cert and --tls-key.`);
}

function portOf(given: string | undefined, callbackUrl: string | undefined): number {
  if (given !== undefined) return wholeOf('--port', given, 0, PORT_MAX);
  if (callbackUrl === undefined) return PORT;
  if (!URL.canParse(callbackUrl)) return fail('--env-file: TPP_CALLBACK_URL is not a URL.');
  return Number(new URL(callbackUrl).port || 443);
}

async function tlsOf(certFile: string | undefined, keyFile: string | undefined): Promise<ListenSettings['tls']> {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) return fail('Give both --tls-cert and --tls-key, or neither.');
  return { cert: await readText('--tls-cert', certFile), key: await readText('--tls-key', keyFile) };
}

function tolerancesOf(names: readonly string[]): readonly Tolerance[] {
  try {
    return checkTolerances(names);
  } catch (error) {
    if (error instanceof TypeError) return fail(`--${error.message}.`);
    throw error;
  }
}

function wholeOf(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
  return fail(`${option} must be a whole number from ${min}${max === PORT_MAX ? ` to ${max}` : ''}.`);
}

function fail(message: string): never {
  throw new UsageError(message);
}
