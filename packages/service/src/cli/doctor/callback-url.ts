import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { checkCallbackUrl as faultOf } from '@tidings/protocol';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { createAddressGuard, ForbiddenAddressError, ForbiddenPortError } from '../../net/address-guard.ts';
import { Connector } from '../../net/connector.ts';
import { classifyFailure } from '../../net/failure.ts';
import type { CheckedAddress } from '../../net/host-guard.ts';
import { createResolveHost } from '../../net/resolve-host.ts';
import { readCertificates } from '../../trust/files.ts';
import { type Finding, fault, formatDay, type Inspection, ok, warning } from './finding.ts';
import { isReadable } from './settings.ts';

const CHECK = 'callback URL';
const EXAMPLE = 'https://tpp.example/open-banking/v4.0/event-notifications';
const DAY_MS = 86_400_000;
const RENEW_DAYS = 30;

/** Checks the given callback URL: syntax, address, port and TLS. Sends no request to it. */
export async function checkCallbackUrl(inspection: Inspection): Promise<readonly Finding[]> {
  const { callbackUrl, config } = inspection;
  if (callbackUrl === undefined) return [];
  const why = faultOf(callbackUrl, 'v4.0') && faultOf(callbackUrl, 'v3.1');
  if (why !== undefined) {
    return [
      fault(CHECK, `${callbackUrl} cannot be registered: it ${why}.`, `Ask the TPP for a URL such as ${EXAMPLE}`),
    ];
  }
  const off = config.realTime.isOffered
    ? []
    : [
        warning(
          CHECK,
          '"realTime.isOffered" is false, so nothing is sent to callback URLs.',
          'Set it to true to deliver notifications to callback URLs.',
        ),
      ];
  const url = new URL(callbackUrl);
  const addresses = await resolveAllowed(url, inspection);
  if ('what' in addresses) return [...off, addresses];
  return [...off, ...(await checkTls(url, addresses, inspection))];
}

/** Resolves the host. @returns its addresses (none if a proxy resolves it), or what is wrong */
async function resolveAllowed(
  url: URL,
  { config, resolveHost }: Inspection,
): Promise<readonly CheckedAddress[] | Finding> {
  const { callbackAddressesAllowed: allowed, callbackPortsAllowed: ports, proxyUrl } = config.delivery;
  const { dnsServers: servers, dnsTimeoutMs: timeoutMs } = config.delivery;
  const { hostname } = url;
  const guard = createAddressGuard({
    allowed,
    ports,
    resolve: resolveHost ?? createResolveHost({ servers, timeoutMs }),
  });
  try {
    guard.checkUrl(url);
    return proxyUrl === undefined ? await guard.addressesOf(hostname) : [];
  } catch (error) {
    if (error instanceof ForbiddenPortError) {
      const what = `The port of ${url.href} is not allowed for callback URLs (allowed: ${ports.join(', ')}).`;
      return fault(CHECK, what, 'Ask the TPP for another port, or allow it in "delivery.callbackPortsAllowed".');
    }
    if (error instanceof ForbiddenAddressError) {
      const what = `${hostname} resolves to an address that is not allowed for callback URLs (${error.code.split(' ').slice(1).join(' ')}).`;
      const remedy =
        'Ask the TPP for a public host, or allow one of your own networks in "delivery.callbackAddressesAllowed".';
      return fault(CHECK, what, remedy);
    }
    const code = systemErrorCode(error);
    if (code?.startsWith('DNS_') !== true) throw error;
    const remedy = 'Check the host name with the TPP, and "delivery.dnsServers" or the DNS settings of this machine.';
    return fault(CHECK, `${hostname} cannot be resolved (${code.slice('DNS_'.length)}).`, remedy);
  }
}

async function checkTls(
  url: URL,
  addresses: readonly CheckedAddress[],
  { config, clock }: Inspection,
): Promise<readonly Finding[]> {
  const { hostname } = url;
  const { proxyUrl, timeoutMs } = config.delivery;
  if (addresses.length === 0)
    return [ok(CHECK, `${hostname} is allowed; the connection through the proxy ${proxyUrl} was not checked.`)];
  const ca = rootsOf(config.delivery.caFile);
  if (ca === 'unusable') return [];
  const tried = addresses.map(({ address }) => address).join(', ');
  // Connects like a delivery, to one of the addresses that were checked.
  const connector = new Connector({ tls: { ca }, guard: { addressesOf: async () => addresses }, timeoutMs, clock });
  const connected = await connect(connector, url);
  if (connected.kind === 'failed') {
    const { errorClass, detail } = classifyFailure(connected.error);
    const what = `${hostname} cannot be reached over TLS at ${tried} (${errorClass}: ${detail}).`;
    return [fault(CHECK, what, REMEDIES[errorClass])];
  }
  const { protocol, certificate } = connected;
  const leftMs = (certificate?.validToDate.getTime() ?? Number.POSITIVE_INFINITY) - clock.nowMs();
  const reached = ok(
    CHECK,
    `${hostname} resolves to ${tried}, is allowed, and speaks ${protocol} with a trusted certificate.`,
  );
  if (certificate === undefined || leftMs >= RENEW_DAYS * DAY_MS) return [reached];
  const what = `The certificate of ${hostname} expires on ${formatDay(certificate.validToDate)}.`;
  return [reached, warning(CHECK, what, 'Inform the TPP: deliveries fail from then on.')];
}

type Connected =
  | { readonly kind: 'connected'; readonly protocol: string; readonly certificate: X509Certificate | undefined }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Connects and closes the connection without sending anything. Never rejects. */
function connect(connector: Connector, { hostname, port, protocol }: URL): Promise<Connected> {
  const to = { hostname: hostname.replace(/^\[|\]$/g, ''), port, protocol };
  return new Promise((resolve) => {
    connector.connect(to, (error, socket) => {
      if (!(socket instanceof TLSSocket)) return resolve({ kind: 'failed', error });
      const [spoken, certificate] = [socket.getProtocol() ?? 'TLS', socket.getPeerX509Certificate()];
      socket.destroy();
      resolve({ kind: 'connected', protocol: spoken, certificate });
    });
  });
}

const CHECK_ENDPOINT =
  'Ask the TPP whether its endpoint is running, and check that your firewall allows connections to it.';
const CHECK_CERTIFICATE =
  'Ask the TPP for a certificate for this host from a root in "delivery.caFile", or add its root there.';
const REMEDIES = {
  dns: CHECK_ENDPOINT,
  'forbidden-address': CHECK_ENDPOINT,
  connect: CHECK_ENDPOINT,
  tls: CHECK_CERTIFICATE,
  timeout: CHECK_ENDPOINT,
  reset: CHECK_ENDPOINT,
  oversized: CHECK_ENDPOINT,
  malformed: CHECK_ENDPOINT,
} as const;

function rootsOf(file: string | undefined): string | undefined | 'unusable' {
  if (file === undefined) return undefined;
  if (!isReadable(file)) return 'unusable';
  try {
    return readCertificates('delivery.caFile', file);
  } catch {
    return 'unusable';
  }
}
