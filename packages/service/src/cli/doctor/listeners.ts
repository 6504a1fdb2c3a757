import type { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, isIP } from 'node:net';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import type { Clock } from '../../base/clock.ts';
import { listen } from '../../base/http-server.ts';
import { StartUpError, systemErrorCode } from '../../base/start-up-error.ts';
import { Connector } from '../../net/connector.ts';
import { classifyFailure } from '../../net/failure.ts';
import { certificatesIn } from '../../trust/files.ts';
import { type Finding, faultFrom, type Inspection, ok, warning } from './finding.ts';
import { isReadable } from './settings.ts';

/** Time within which the process that uses a port must answer. */
const ANSWER_MS = 3000;
const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Findings about the listeners. */
export interface Listeners {
  readonly findings: readonly Finding[];
  /** A service with this configuration is running, judging by its ports. */
  readonly isRunning: boolean;
}

/** Checks that ports are free or used by a running Tidings. Opens a free port for a moment. */
export async function checkListeners(inspection: Inspection): Promise<Listeners> {
  const found = await Promise.all((['api', 'operator'] as const).map((section) => checkListener(section, inspection)));
  return { findings: found.map(({ finding }) => finding), isRunning: found.some(({ isRunning }) => isRunning) };
}

type Section = 'api' | 'operator';
type Found = { readonly finding: Finding; readonly isRunning: boolean };

async function checkListener(section: Section, inspection: Inspection): Promise<Found> {
  const { host, port } = inspection.config[section];
  const where = `port ${port} of ${host} ("${section}")`;
  if (port === 0) return { finding: ok('listeners', `"${section}" uses any free port.`), isRunning: false };
  try {
    await openBriefly(section, { host, port });
    return { finding: ok('listeners', `${where[0]?.toUpperCase()}${where.slice(1)} is free.`), isRunning: false };
  } catch (error) {
    if (error instanceof StartUpError && systemErrorCode(error.cause) === 'EADDRINUSE') {
      const user = await userOf(section, inspection);
      return { finding: findingOf(user, where, error), isRunning: user === 'tidings' };
    }
    return {
      finding: faultFrom('listeners', error, `Correct "${section}.host" and "${section}.port".`),
      isRunning: false,
    };
  }
}

async function openBriefly(section: Section, address: { host: string; port: number }): Promise<void> {
  const server = createServer();
  const listening = ({ host, port }: { host: string; port: number }) =>
    new Promise<string>((resolve, reject) => {
      server.once('error', reject).listen({ host, port, exclusive: true }, () => resolve(host));
    });
  await listen({ server, listen: listening }, section, address);
  await new Promise((resolve) => server.close(resolve));
}

type PortUser = 'tidings' | 'other-certificate' | 'other';

function findingOf(user: PortUser, where: string, inUse: StartUpError): Finding {
  const Where = `${where[0]?.toUpperCase()}${where.slice(1)}`;
  if (user === 'tidings') return ok('listeners', `${Where} is used by a running Tidings.`);
  if (user === 'other') return faultFrom('listeners', inUse, 'Stop the process that uses it.');
  const what = `${Where} is used by a process that presents another certificate than the configured one.`;
  const remedy =
    'If it is Tidings, send it SIGHUP to load the renewed certificate; otherwise stop the process that uses the port.';
  return warning('listeners', what, remedy);
}

async function userOf(section: Section, { config, clock }: Inspection): Promise<PortUser> {
  const { host: bound, port, tls } = config[section];
  const host = WILDCARDS[bound] ?? bound;
  if (tls === undefined) return (await answersAsTidings(section, { host, port, clock })) ? 'tidings' : 'other';
  if (!isReadable(tls.certificateFile)) return 'other-certificate';
  const ca = readFileSync(tls.certificateFile, 'utf8');
  // Only a process that has the configured key can complete this handshake.
  const name = nameIn(ca) ?? host;
  const shaken = await handshake({ host, port, name, ca, isCaEnough: true, timeoutMs: ANSWER_MS, clock });
  if (shaken.kind === 'connected') return 'tidings';
  const { errorClass, detail } = classifyFailure(shaken.error);
  return errorClass === 'tls' && !/EPROTO|SSL/.test(detail) ? 'other-certificate' : 'other';
}

/** A name that the certificate contains, so that the handshake does not fail because of the name. */
function nameIn(pem: string): string | undefined {
  try {
    const [leaf] = certificatesIn(pem);
    return /(?:DNS|IP Address):([^,\s]+)/.exec(leaf?.subjectAltName ?? '')?.[1]?.replace(/^\*/, 'any');
  } catch {
    return undefined;
  }
}

/** Recognises a listener without TLS by a header of the TPP-facing API, or by the liveness probe of the operator API. */
async function answersAsTidings(
  section: Section,
  { host, port, clock }: { host: string; port: number; clock: Clock },
): Promise<boolean> {
  const connector = new Connector({ tls: {}, guard: undefined, timeoutMs: ANSWER_MS, clock });
  const dispatcher = new Agent({ connect: connector.connect, headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS });
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  try {
    const path = section === 'operator' ? '/livez' : '/';
    const answer = await request(`${origin}${path}`, { dispatcher });
    const text = await answer.body.text();
    return section === 'operator' ? text === '{"status":"alive"}' : 'x-fapi-interaction-id' in answer.headers;
  } catch {
    return false;
  } finally {
    connector.close();
    await dispatcher.destroy();
  }
}

/** The target of a handshake, and its trusted roots. */
interface TlsTarget {
  /** Name or address to connect to. */
  readonly host: string;
  readonly port: number;
  /** The name or address that the certificate must contain. */
  readonly name: string;
  /** PEM; undefined: the roots of Node.js. */
  readonly ca: string | undefined;
  /** Trust the certificates in `ca` themselves, whoever issued them. */
  readonly isCaEnough?: boolean;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
}

/** The result of a handshake. */
type Handshake =
  | { readonly kind: 'connected'; readonly protocol: string; readonly certificate: X509Certificate | undefined }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Performs a TLS handshake and closes the connection without sending anything. Never rejects. */
function handshake({ host, port, name, ca, isCaEnough, timeoutMs, clock }: TlsTarget): Promise<Handshake> {
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host, port, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] },
      rejectUnauthorized: true,
      // A name is sent to the server (SNI) and verified; an address is only verified.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca !== undefined && { ca }),
      ...(isCaEnough === true && { allowPartialTrustChain: true }),
    });
    const cancel = clock.after(timeoutMs, () => {
      socket.destroy(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
    });
    const settle = (handshake: Handshake) => {
      cancel();
      resolve(handshake);
      socket.destroy();
    };
    socket.on('error', (error) => settle({ kind: 'failed', error }));
    socket.once('secureConnect', () => {
      settle({
        kind: 'connected',
        protocol: socket.getProtocol() ?? 'TLS',
        certificate: socket.getPeerX509Certificate(),
      });
    });
  });
}
