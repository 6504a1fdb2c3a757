import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { Log } from '../base/log.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { Config } from '../config/schema.ts';
import {
  readCertificates,
  readJwks,
  readRevocationLists,
  readSecret,
  readTlsIdentity,
  type TlsIdentity,
} from './files.ts';
import { loadSigningKeys, type OwnSigningKeys } from './signing-key.ts';
import type { SigningProviders } from './signing-providers.ts';
import { nextUpdateMsOf } from './x509.ts';

/** Every key and certificate that the configuration names, read and checked. */
export interface Material {
  readonly signingKeys: OwnSigningKeys;
  /** Undefined where a gateway terminates TLS. */
  readonly apiTls: (TlsIdentity & { readonly ca: string; readonly crl?: string[] }) | undefined;
  /** With `ca`, callers must present a certificate issued under it. */
  readonly operatorTls: (TlsIdentity & { readonly ca?: string; readonly crl?: string[] }) | undefined;
  /** Root certificates for the bank's identity provider, PEM. */
  readonly operatorOidcCa: string | undefined;
  /** Of the console as a client of the identity provider. */
  readonly oidcClientSecret: string | undefined;
  /** Encrypts the sessions of the console; undefined: each process makes its own. */
  readonly consoleSessionKey: Uint8Array | undefined;
  readonly accessTokensTls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly deliveryCa: string | undefined;
  /** Root certificates for the JWKS URLs of TPPs, PEM. */
  readonly tppKeysCa: string | undefined;
  /** JWKS of the directory; undefined where none is configured, or it is fetched. */
  readonly directoryJwks: unknown;
  /** Roots for the directory, and our identity as its client. */
  readonly directoryTls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/**
 * Reads every file that the configuration names, and opens the signing keys, before anything is started, so that a missing certificate leaves nothing
 * half-started.
 *
 * @throws {StartUpError} naming setting and file
 */
export async function readMaterial(config: Config, providers: Pick<SigningProviders, 'open'>): Promise<Material> {
  const { api, operator, accessTokens, delivery, tppKeys, directory } = config;
  return {
    signingKeys: await loadSigningKeys(config, providers),
    apiTls: api.tls && {
      ...readTlsIdentity('api.tls', api.tls),
      ca: readCertificates('api.tls.clientCaFile', api.tls.clientCaFile),
      ...readCrl('api.tls.clientCrlFile', api.tls.clientCrlFile),
    },
    operatorTls: operator.tls && readOperatorTls(operator.tls),
    operatorOidcCa: readRoots('operator.oidc.caFile', operator.oidc?.caFile),
    oidcClientSecret: readClientSecret(operator.oidc?.signIn),
    consoleSessionKey: readSessionKey(operator.console),
    accessTokensTls: {
      ...(accessTokens.caFile !== undefined && { ca: readCertificates('accessTokens.caFile', accessTokens.caFile) }),
      ...clientIdentity('accessTokens', accessTokens),
    },
    deliveryCa: readRoots('delivery.caFile', delivery.caFile),
    tppKeysCa: readRoots('tppKeys.caFile', tppKeys.caFile),
    directoryJwks: directory?.jwksFile && (await readJwks('directory.jwksFile', directory.jwksFile)),
    directoryTls: {
      ...defined({ ca: readRoots('directory.caFile', directory?.caFile) }),
      ...(directory && clientIdentity('directory', directory)),
    },
  };
}

type SignIn = NonNullable<NonNullable<Config['operator']['oidc']>['signIn']>;

function readClientSecret({ clientSecret, clientSecretFile }: Partial<SignIn> = {}): string | undefined {
  return readSecret('operator.oidc.signIn.clientSecret', clientSecret, clientSecretFile)?.text.trim();
}

/** Length of the key that encrypts the session cookies of the console, in bytes: A256GCM. */
export const SESSION_KEY_BYTES = 32;

/** @throws {StartUpError} */
function readSessionKey({ sessionKey, sessionKeyFile }: Config['operator']['console']): Uint8Array | undefined {
  const secret = readSecret('operator.console.sessionKey', sessionKey, sessionKeyFile);
  if (secret === undefined) return undefined;
  const key = Buffer.from(secret.text.trim(), 'base64');
  if (key.length === SESSION_KEY_BYTES) return key;
  const remedy = 'make one with "openssl rand -base64 32"';
  throw new StartUpError(`${secret.where} is not ${SESSION_KEY_BYTES} bytes in base64; ${remedy}.`);
}

function readRoots(setting: string, file: string | undefined): string | undefined {
  return file === undefined ? undefined : readCertificates(setting, file);
}

function readOperatorTls(tls: NonNullable<Config['operator']['tls']>): Material['operatorTls'] {
  const ca = readRoots('operator.tls.clientCaFile', tls.clientCaFile);
  const crl = readCrl('operator.tls.clientCrlFile', tls.clientCrlFile);
  return { ...readTlsIdentity('operator.tls', tls), ...defined({ ca }), ...crl };
}

function readCrl(setting: string, file: string | undefined): { readonly crl?: string[] } {
  return file === undefined ? {} : { crl: readRevocationLists(setting, file) };
}

function clientIdentity(
  section: string,
  { certificateFile, keyFile }: { readonly certificateFile?: string; readonly keyFile?: string },
): Partial<TlsIdentity> {
  if (certificateFile === undefined || keyFile === undefined) return {};
  return readTlsIdentity(section, { certificateFile, keyFile });
}

/**
 * Whether callers must present a certificate is decided when the listener is created, so a reload cannot change it.
 *
 * @throws {StartUpError}
 */
export function assertSameClientAuthentication(material: Material, renewed: Material): void {
  if ((material.operatorTls?.ca === undefined) === (renewed.operatorTls?.ca === undefined)) return;
  throw new StartUpError('"operator.tls.clientCaFile" was added or removed; restart the service for that.');
}

/** An expired list closes the listener to all certificates of its authority, so the operator must know first. */
export function reportExpiredLists(
  { apiTls, operatorTls }: Material,
  { log, clock }: { readonly log: Pick<Log, 'error'>; readonly clock: Pick<Clock, 'nowMs'> },
): void {
  for (const [setting, tls] of [
    ['api.tls.clientCrlFile', apiTls],
    ['operator.tls.clientCrlFile', operatorTls],
  ] as const) {
    const nextUpdatesMs = tls?.crl?.map((list) => nextUpdateMsOf(list) ?? Number.POSITIVE_INFINITY) ?? [];
    if (nextUpdatesMs.every((atMs) => clock.nowMs() < atMs)) continue;
    log.error({ setting }, 'a revocation list is past its next update: every certificate of its authority is refused');
  }
}
