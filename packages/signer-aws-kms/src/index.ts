import { createHash, createPublicKey } from 'node:crypto';
import { Agent } from 'node:https';
import { GetPublicKeyCommand, KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { type CreateSigningProvider, type SigningProvider, SigningProviderError } from '@tidings/protocol';

/** The section `signing.awsKms` of the service's configuration. */
export interface AwsKmsSettings {
  readonly region: string;
  readonly endpointUrl?: string | undefined;
  readonly concurrencyMax: number;
}

const ALGORITHM = 'RSASSA_PSS_SHA_256';

/**
 * Makes a provider whose keys are those of AWS KMS, by their ids, ARNs or aliases. Credentials are found as the AWS SDK finds
 * them: environment, web identity, container or instance.
 */
export const createProvider: CreateSigningProvider<AwsKmsSettings> = (settings): SigningProvider => {
  const { region, endpointUrl, concurrencyMax } = settings;
  const client = new KMSClient({
    region,
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
    // The service repeats calls itself, within its limits.
    maxAttempts: 1,
    requestHandler: {
      httpsAgent: new Agent({ rejectUnauthorized: true, keepAlive: true, maxSockets: concurrencyMax }),
    },
  });
  return {
    openKey: async (key, abortSignal) => {
      const found = await client.send(new GetPublicKeyCommand({ KeyId: key }), { abortSignal }).catch(fail);
      if (found.PublicKey === undefined || found.SigningAlgorithms?.includes(ALGORITHM) !== true) {
        throw new SigningProviderError('denied', `the key ${key} is not one for ${ALGORITHM}`);
      }
      const publicKey = createPublicKey({ key: Buffer.from(found.PublicKey), format: 'der', type: 'spki' });
      // An alias may be given to another key; its ARN may not.
      const KeyId = found.KeyId ?? key;
      return {
        publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
        sign: async (input, signing) => {
          const Message = createHash('sha256').update(input).digest();
          const command = new SignCommand({ KeyId, Message, MessageType: 'DIGEST', SigningAlgorithm: ALGORITHM });
          const { Signature } = await client.send(command, { abortSignal: signing }).catch(fail);
          if (Signature === undefined) throw new SigningProviderError('unavailable', 'AWS KMS returned no signature');
          return Signature;
        },
      };
    },
    close: async () => client.destroy(),
  };
};

const THROTTLED = new Set(['ThrottlingException', 'LimitExceededException', 'TooManyRequestsException']);
// Faults of the service, although their status is 400.
const UNAVAILABLE = new Set(['DependencyTimeoutException', 'KeyUnavailableException', 'KMSInternalException']);

function fail(error: unknown): never {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const status = statusOf(error);
  const why = status === undefined ? `AWS KMS was not reached: ${message}` : `AWS KMS answered ${name}: ${message}`;
  if (THROTTLED.has(name) || status === 429) throw new SigningProviderError('throttled', why, { cause: error });
  const isRefusal = status !== undefined && status >= 400 && status < 500 && !UNAVAILABLE.has(name);
  throw new SigningProviderError(isRefusal ? 'denied' : 'unavailable', why, { cause: error });
}

/** The HTTP status of an answer; undefined: there was none. */
function statusOf(error: unknown): number | undefined {
  const metadata: unknown = error instanceof Error && '$metadata' in error ? error.$metadata : undefined;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}
