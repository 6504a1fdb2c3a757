import type { Config } from '../config/schema.ts';
import { readCertificates, readTlsIdentity, type TlsIdentity } from './files.ts';
import { loadSigningKey, type OwnSigningKey } from './signing-key.ts';

/** Every key and certificate that the configuration names, read and checked. */
export interface Material {
  readonly signingKey: OwnSigningKey;
  readonly apiTls: TlsIdentity & { readonly ca: string };
  readonly operatorTls: TlsIdentity | undefined;
  readonly accessTokensTls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly deliveryCa: string | undefined;
}

/**
 * Reads every file that the configuration names, before anything is opened or listens, so that a missing certificate
 * leaves nothing half-started.
 *
 * @throws {StartUpError} naming setting and file
 */
export async function readMaterial(config: Config): Promise<Material> {
  const { api, operator, accessTokens, delivery, signing } = config;
  return {
    signingKey: await loadSigningKey({
      ...signing,
      organisationId: config.organisationId,
      trustAnchor: config.trustAnchor,
    }),
    apiTls: {
      ...readTlsIdentity('api.tls', api.tls),
      ca: readCertificates('api.tls.clientCaFile', api.tls.clientCaFile),
    },
    operatorTls: operator.tls && readTlsIdentity('operator.tls', operator.tls),
    accessTokensTls: {
      ...(accessTokens.caFile !== undefined && { ca: readCertificates('accessTokens.caFile', accessTokens.caFile) }),
      ...clientIdentity(accessTokens),
    },
    deliveryCa: delivery.caFile === undefined ? undefined : readCertificates('delivery.caFile', delivery.caFile),
  };
}

function clientIdentity({ certificateFile, keyFile }: Config['accessTokens']): Partial<TlsIdentity> {
  if (certificateFile === undefined || keyFile === undefined) return {};
  return readTlsIdentity('accessTokens', { certificateFile, keyFile });
}
