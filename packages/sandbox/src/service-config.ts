import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Config, loadConfig } from '@tidings/service';
import type { SandboxPki } from './pki/pki.ts';
import type { RunFolder } from './state.ts';

/** `iss` of the sandbox bank's SETs. */
export const BANK_ISSUER = 'https://bank.sandbox.tidings.example/';
/** `aud` of its access tokens. */
export const TOKEN_AUDIENCE = 'https://bank.sandbox.tidings.example/open-banking';

/** `aud` of the access tokens of its staff, and client_id of the console at their identity provider. */
export const STAFF_AUDIENCE = 'https://bank.sandbox.tidings.example/operator';
export const CONSOLE_CLIENT_ID = 'tidings-console';

/** How the bank's staff sign in. */
interface Staff {
  readonly listener: { readonly origin: string };
  readonly identityProvider: { readonly issuer: string; readonly jwksUri: string };
}

/**
 * Writes the configuration file of the sandbox's Notification Service and loads it. The file can be read as an example,
 * and run with `tidings serve --config`.
 */
export function writeServiceConfig(options: {
  folder: RunFolder;
  pki: SandboxPki;
  host: string;
  ports: { readonly api: number; readonly operator: number };
  authorisationServer: { readonly issuer: string; readonly jwksUri: string };
  /** Undefined: staff do not sign in. */
  staff: Staff | undefined;
  /** `store` setting of a shared database; defaults to a SQLite file. */
  store: object | undefined;
  /** Number of the instance, from 1. */
  instance: number;
}): Config {
  const { folder, pki, host, ports, authorisationServer, staff, instance } = options;
  const { bank, root } = pki;
  const identity = { certificateFile: bank.transport.certificateFile, keyFile: bank.transport.keyFile };
  const settings = {
    issuer: BANK_ISSUER,
    organisationId: bank.organisationId,
    financialId: bank.organisationId,
    signing: { kid: bank.signing.kid, keyFile: bank.signing.keyFile },
    store: options.store ?? { file: resolve(folder.serviceFolder, 'tidings.db') },
    api: { host, port: ports.api, tls: { ...identity, clientCaFile: root.certificateFile } },
    accessTokens: {
      issuer: authorisationServer.issuer,
      audience: TOKEN_AUDIENCE,
      jwksUrl: authorisationServer.jwksUri,
      caFile: root.certificateFile,
      ...identity,
    },
    operator: {
      host,
      port: ports.operator,
      tls: identity,
      tokens: [{ name: 'sandbox', sha256: folder.operatorTokenHash, role: 'administrator' }],
      ...(staff && { oidc: oidcSettings(staff, root.certificateFile) }),
    },
    // The TPP is on this machine too. A real bank would not allow these addresses.
    delivery: { caFile: root.certificateFile, callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'] },
    // Short, so that the retries of the flow can be observed.
    retry: { delayMs: 250, delayMaxMs: 60_000 },
    // A receiver that its developer starts late is not left alone for long.
    breaker: { pauseMaxMs: 5000 },
    polling: { reofferAfterErrorMs: 500 },
  };
  const file = join(folder.serviceFolder, instance === 1 ? 'tidings.json' : `tidings-${instance}.json`);
  writeFileSync(file, `${JSON.stringify(settings, undefined, 2)}\n`, { mode: 0o600 });
  return loadConfig(file);
}

/** The section `operator.oidc`. */
function oidcSettings({ listener, identityProvider }: Staff, caFile: string): object {
  const { issuer, jwksUri: jwksUrl } = identityProvider;
  const roles = { viewer: ['viewer'], operator: ['operator'], administrator: ['administrator'] };
  const signIn = {
    clientId: CONSOLE_CLIENT_ID,
    redirectUrl: `${listener.origin}/console/sign-in/callback`,
    idTokenAlgorithm: 'PS256',
  };
  return { issuer, audience: STAFF_AUDIENCE, jwksUrl, caFile, nameClaim: 'name', roles, signIn };
}
