import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import {
  ChainedTokenCredential,
  EnvironmentCredential,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from '@azure/identity';
import { CryptographyClient, KeyClient, type KeyClientOptions, type KeyVaultKey } from '@azure/keyvault-keys';
import { type CreateSigningProvider, type SigningProvider, SigningProviderError } from '@tidings/protocol';

/** The section `signing.azureKeyVault` of the service's configuration. */
export interface AzureKeyVaultSettings {
  readonly vaultUrl: string;
  readonly caFile?: string | undefined;
  readonly concurrencyMax: number;
}

const ALGORITHM = 'PS256';

type PipelinePolicy = NonNullable<KeyClientOptions['additionalPolicies']>[number]['policy'];

/**
 * Makes a provider whose keys are those of one vault or managed HSM, by `name/version`, or `name` for the latest version.
 * Credentials are those of the environment: a service principal, a workload identity or a managed identity.
 */
export const createProvider: CreateSigningProvider<AzureKeyVaultSettings> = (settings): SigningProvider => {
  const { vaultUrl, caFile, concurrencyMax: maxSockets } = settings;
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') };
  const agent = new Agent({ rejectUnauthorized: true, keepAlive: true, maxSockets, ...ca });
  const credential = credentialOfEnvironment();
  const client = new KeyClient(vaultUrl, credential, optionsWith(agent));
  return {
    openKey: async (key, abortSignal) => {
      const [name = '', version] = key.split('/');
      const found = await client.getKey(name, { abortSignal, ...(version !== undefined && { version }) }).catch(fail);
      const publicKeyPem = publicKeyOf(found);
      // Of the version that was found: the latest one may be another later.
      const signer = new CryptographyClient(found, credential, optionsWith(agent));
      return {
        publicKeyPem,
        sign: async (input, signing) => {
          const digest = createHash('sha256').update(input).digest();
          const { result } = await signer.sign(ALGORITHM, digest, { abortSignal: signing }).catch(fail);
          return result;
        },
      };
    },
    close: async () => agent.destroy(),
  };
};

const encodeBase64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** Those meant for production alone: tools of developers, which `DefaultAzureCredential` starts too, have no place in a service. */
function credentialOfEnvironment(): TokenCredential {
  const options = optionsWith(new Agent({ rejectUnauthorized: true }));
  const { AZURE_CLIENT_ID: clientId, AZURE_FEDERATED_TOKEN_FILE: tokenFile } = process.env;
  return new ChainedTokenCredential(
    new EnvironmentCredential(options),
    ...(tokenFile === undefined ? [] : [new WorkloadIdentityCredential(options)]),
    new ManagedIdentityCredential({ ...options, ...(clientId !== undefined && { clientId }) }),
  );
}

/** Options of a client that verifies certificates whatever the environment says. */
function optionsWith(agent: Agent) {
  const policy: PipelinePolicy = {
    name: 'tidingsAgent',
    sendRequest: (request, next) => {
      // A managed identity is asked for over HTTP, on the machine itself.
      if (request.url.startsWith('https:')) request.agent = agent;
      return next(request);
    },
  };
  // The service repeats calls itself, within its limits.
  return { additionalPolicies: [{ policy, position: 'perRetry' as const }], retryOptions: { maxRetries: 0 } };
}

/** SubjectPublicKeyInfo in PEM. @throws {SigningProviderError} if the key cannot sign PS256 */
function publicKeyOf({ name, key, keyType, keyOperations = [], properties }: KeyVaultKey): string {
  const refuse = (why: string): never => {
    throw new SigningProviderError('denied', `the key ${name} ${why}`);
  };
  if (keyType !== 'RSA' && keyType !== 'RSA-HSM')
    refuse(`is of the type ${keyType}; ${ALGORITHM} needs RSA or RSA-HSM`);
  if (!keyOperations.includes('sign')) refuse('may not be used to sign; add "sign" to its key operations');
  if (properties.enabled === false) refuse('is disabled; enable this version of it');
  if (key?.n === undefined || key.e === undefined) return refuse('came without its public part');
  const jwk = { kty: 'RSA', n: encodeBase64url(key.n), e: encodeBase64url(key.e) };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

function fail(error: unknown): never {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const status = statusOf(error);
  const isOfCredentials = /^(?:Aggregate)?Authentication|^CredentialUnavailable/.test(name);
  const what = isOfCredentials ? 'Azure gave no access token' : `Azure Key Vault answered ${status}`;
  const why = `${status === undefined && !isOfCredentials ? 'Azure Key Vault was not reached' : what}: ${message}`;
  if (status === 429) {
    throw new SigningProviderError('throttled', why, { cause: error, retryAfterMs: retryAfterOf(error) });
  }
  const isRefusal = status !== undefined && status >= 400 && status < 500 && status !== 408;
  throw new SigningProviderError(isRefusal ? 'denied' : 'unavailable', why, { cause: error });
}

/** The HTTP status of an answer; undefined: there was none. */
function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** `Retry-After` of an answer, in seconds there. */
function retryAfterOf(error: unknown): number | undefined {
  const response: unknown = error instanceof Error && 'response' in error ? error.response : undefined;
  const headers: unknown =
    typeof response === 'object' && response !== null ? Reflect.get(response, 'headers') : undefined;
  const get: unknown = typeof headers === 'object' && headers !== null ? Reflect.get(headers, 'get') : undefined;
  const after: unknown = typeof get === 'function' ? get.call(headers, 'retry-after') : undefined;
  return typeof after === 'string' && /^\d{1,4}$/.test(after) ? 1000 * Number(after) : undefined;
}
