import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { checkCallbackUrl as refusalOf } from '@tidings/protocol';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { createAddressGuard, ForbiddenAddressError, ForbiddenPortError } from '../../net/address-guard.ts';
import { Connector } from '../../net/connector.ts';
import { classifyFailure } from '../../net/failure.ts';
import type { CheckedAddress } from '../../net/host-guard.ts';
import { createResolveHost } from '../../net/resolve-host.ts';
import { readCertificates } from '../../trust/files.ts';
import { dayOf, type Finding, fault, type Inspection, ok, warning } from './finding.ts';
import { isReadable } from './settings.ts';

const CHECK = 'callback URL';
const EXAMPLE = 'https://tpp.example/open-banking/v4.0/event-notifications';
const DAY_MS = 86_400_000;
const RENEW_DAYS = 30;

/** A callback URL that was named: it may be registered, leads to where it may, and does TLS. Nothing is sent to it. */
export async function checkCallbackUrl(inspection: Inspection): Promise<readonly Finding[]> {
  const { callbackUrl, config } = inspection;
  if (callbackUrl === undefined) return [];
  const why = refusalOf(callbackUrl, 'v4.0') && refusalOf(callbackUrl, 'v3.1');
  if (why !== undefined) {
    return [fault(CHECK, `${callbackUrl} cannot be registered: it ${why}.`, `Ask the TPP for one such as ${EXAMPLE}`)];
  }
  const off = config.realTime.isOffered
    ? []
    : [
        warning(
          CHECK,
          '"realTime.isOffered" is false: nothing is sent to callback URLs.',
          'Set it to true to deliver.',
        ),
      ];
  const url = new URL(callbackUrl);
  const led = await whereTo(url, inspection);
  if ('what' in led) return [...off, led];
  return [...off, ...(await checkTls(url, led, inspection))];
}

/** @returns the addresses; empty: a proxy looks them up. Or what is wrong */
async function whereTo(url: URL, { config, resolveHost }: Inspection): Promise<readonly CheckedAddress[] | Finding> {
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
      const what = `${url.href} has a port that callback URLs may not have (${ports.join(', ')} are allowed).`;
      return fault(CHECK, what, 'Ask the TPP for another port, or allow it in "delivery.callbackPortsAllowed".');
    }
    if (error instanceof ForbiddenAddressError) {
      const what = `${hostname} leads to an address that callback URLs may not have (${error.code.split(' ').slice(1).join(' ')}).`;
      const remedy =
        'Ask the TPP for a public host; one in your own networks is allowed by "delivery.callbackAddressesAllowed".';
      return fault(CHECK, what, remedy);
    }
    const code = systemErrorCode(error);
    if (code?.startsWith('DNS_') !== true) throw error;
    const remedy = 'Check the host with the TPP, and the DNS of this machine or "delivery.dnsServers".';
    return fault(CHECK, `${hostname} cannot be looked up (${code.slice('DNS_'.length)}).`, remedy);
  }
}

async function checkTls(
  url: URL,
  addresses: readonly CheckedAddress[],
  { config, clock }: Inspection,
): Promise<readonly Finding[]> {
  const { hostname } = url;
  const { proxyUrl, timeoutMs } = config.delivery;
  if (addresses.length === 0) return [ok(CHECK, `${hostname} is allowed; the way through ${proxyUrl} was not tried.`)];
  const ca = rootsOf(config.delivery.caFile);
  if (ca === 'unusable') return [];
  const tried = addresses.map(({ address }) => address).join(', ');
  // As deliveries connect, to one of the addresses that were checked.
  const connector = new Connector({ tls: { ca }, guard: { addressesOf: async () => addresses }, timeoutMs, clock });
  const connected = await connect(connector, url);
  if (connected.kind === 'failed') {
    const { errorClass, detail } = classifyFailure(connected.error);
    const what = `${hostname}, at ${tried}, cannot be reached over TLS (${errorClass}: ${detail}).`;
    return [fault(CHECK, what, REMEDIES[errorClass])];
  }
  const { protocol, certificate } = connected;
  const leftMs = (certificate?.validToDate.getTime() ?? Number.POSITIVE_INFINITY) - clock.nowMs();
  const reached = ok(
    CHECK,
    `${hostname} leads to ${tried}, is allowed, and speaks ${protocol} with a certificate that is trusted.`,
  );
  if (certificate === undefined || leftMs >= RENEW_DAYS * DAY_MS) return [reached];
  const what = `The certificate of ${hostname} expires on ${dayOf(certificate.validToDate)}.`;
  return [reached, warning(CHECK, what, 'Tell the TPP; deliveries fail from then on.')];
}

type Connected =
  | { readonly kind: 'connected'; readonly protocol: string; readonly certificate: X509Certificate | undefined }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Connects and hangs up: nothing is sent. Never rejects. */
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

const NOT_THERE = 'Ask the TPP whether it runs, and let your firewall pass it.';
const NOT_TRUSTED =
  'Ask the TPP for a certificate that leads to the roots of "delivery.caFile" and has the host as a name, or add its root there.';
const REMEDIES = {
  dns: NOT_THERE,
  'forbidden-address': NOT_THERE,
  connect: NOT_THERE,
  tls: NOT_TRUSTED,
  timeout: NOT_THERE,
  reset: NOT_THERE,
  oversized: NOT_THERE,
  malformed: NOT_THERE,
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
