import { importSigningKeys, JwksError, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { createHttpsClient, type HttpsAnswer, HttpsError } from '../../net/https-client.ts';
import { openDirectoryKeys } from '../../trust/directory.ts';
import { readCertificates, readJwks, readTlsIdentity } from '../../trust/files.ts';
import { JWKS_BYTES_MAX, JwksUnavailableError } from '../../trust/jwks-cache.ts';
import { checkClock, type Finding, fault, faultFrom, type Inspection, ok, warning } from './finding.ts';
import { isReadable, sectionsOf, textOf } from './settings.ts';

const TIMEOUT_MS = 5000;
const NOT_FOUND = 404;
/** The Date header has whole seconds. */
const DATE_ROUNDED_MS = 500;

/** A URL against which tokens are checked. */
interface Endpoint {
  /** Such as `accessTokens.jwksUrl`. */
  readonly setting: string;
  /** Its section, which also names the files for TLS. */
  readonly section: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly url: string;
  readonly isJwks: boolean;
}

/** Checks that JWKS and introspection URLs are reachable, trusted and usable. Sends only a GET without a token. */
export async function checkEndpoints(inspection: Inspection): Promise<readonly Finding[]> {
  const endpoints = sectionsOf(inspection.config).flatMap(({ path: section, settings }) =>
    (['jwksUrl', 'introspectionUrl'] as const).flatMap((name): Endpoint[] => {
      const url = textOf(settings[name]);
      if (url === undefined) return [];
      return [{ setting: `${section}.${name}`, section, settings, url, isJwks: name === 'jwksUrl' }];
    }),
  );
  const found = await Promise.all(endpoints.map((endpoint) => checkEndpoint(endpoint, inspection)));
  return found.flat();
}

async function checkEndpoint(endpoint: Endpoint, inspection: Inspection): Promise<readonly Finding[]> {
  const { setting, section, url, isJwks } = endpoint;
  const { clock } = inspection;
  const tls = tlsOf(endpoint);
  if (tls === undefined) return [];
  const https = createHttpsClient({
    tls,
    guard: undefined,
    timeoutMs: TIMEOUT_MS,
    responseBytesMax: JWKS_BYTES_MAX,
    clock,
  });
  try {
    const before = clock.nowMs();
    const answer = await https.exchange({ url, headers: { accept: 'application/json' } });
    const nowMs = (before + clock.nowMs()) / 2;
    const finding = isJwks ? await checkKeys(answer, endpoint) : checkIntrospection(answer, endpoint);
    return [finding, ...checkDate(answer, nowMs, url)];
  } catch (error) {
    if (!(error instanceof HttpsError)) throw error;
    return [
      fault('keys of others', `${url} ("${setting}") cannot be reached (${error.message}).`, remedyOf(error, section)),
    ];
  } finally {
    await https.close();
  }
}

/** Undefined if a file is unusable, which other checks report. */
function tlsOf({ section, settings }: Endpoint) {
  const [caFile, certificateFile, keyFile] = ['caFile', 'certificateFile', 'keyFile'].map((name) =>
    textOf(settings[name]),
  );
  if (![caFile, certificateFile, keyFile].every((file) => file === undefined || isReadable(file))) return undefined;
  try {
    const files = certificateFile === undefined || keyFile === undefined ? undefined : { certificateFile, keyFile };
    return {
      ...(caFile !== undefined && { ca: readCertificates(`${section}.caFile`, caFile) }),
      ...(files !== undefined && readTlsIdentity(section, files)),
    };
  } catch {
    return undefined;
  }
}

const TRUST_FAILURE = /CERT|SIGNATURE|ISSUER|UNABLE_TO/;
const CLIENT_CERTIFICATE_FAILURE = /ALERT|ECONNRESET|UND_ERR_SOCKET/;

function remedyOf({ message }: HttpsError, section: string): string {
  if (TRUST_FAILURE.test(message) && !message.startsWith('ERR_SSL')) {
    return `Put the root of its certificate into "${section}.caFile", and use a host name that the certificate contains.`;
  }
  if (CLIENT_CERTIFICATE_FAILURE.test(message)) {
    return `If it requires a client certificate, set "${section}.certificateFile" and "${section}.keyFile".`;
  }
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) return 'Correct the host in the URL, or the DNS settings of this machine.';
  return 'Correct the URL, check that the server is running, and that the firewall allows connections to it.';
}

async function checkKeys({ status, body }: HttpsAnswer, { setting, url }: Endpoint): Promise<Finding> {
  const remedy = `Correct "${setting}"; it is the "jwks_uri" of the issuer's discovery document.`;
  if (status !== 200) return fault('keys of others', `${url} ("${setting}") answers with status ${status}.`, remedy);
  try {
    const { kids, leftOut } = await importSigningKeys(parseStrictJson(body));
    if (kids.length > 0) return ok('keys of others', `${url} ("${setting}") publishes ${kids.length} usable keys.`);
    const why = leftOut[0] === undefined ? 'it is empty' : `the first is unusable: ${leftOut[0].reason}`;
    const publish =
      'The issuer must publish an RSA key of 2048 to 8192 bits with a kid and "use": "sig", and sign with PS256.';
    return fault('keys of others', `${url} ("${setting}") publishes no usable key: ${why}.`, publish);
  } catch (error) {
    if (!(error instanceof JwksError || error instanceof StrictJsonError)) throw error;
    return fault('keys of others', `The answer of ${url} ("${setting}") is not a JWKS.`, remedy);
  }
}

/** The answer to a GET does not matter: the URL is reachable and trusted. */
function checkIntrospection({ status }: HttpsAnswer, { setting, url }: Endpoint): Finding {
  if (status !== NOT_FOUND) return ok('keys of others', `${url} ("${setting}") is reachable and trusted.`);
  const what = `${url} ("${setting}") answers with status ${status}.`;
  return warning(
    'keys of others',
    what,
    `Check "${setting}"; it is the "introspection_endpoint" of the discovery document.`,
  );
}

function checkDate({ date }: HttpsAnswer, nowMs: number, url: string): readonly Finding[] {
  const dateMs = Date.parse(date ?? '');
  if (Number.isNaN(dateMs)) return [];
  const remedy = 'Synchronise the clock of this machine (NTP): timedatectl set-ntp true';
  return [checkClock(`the clock of ${new URL(url).host}`, dateMs + DATE_ROUNDED_MS - nowMs, remedy)];
}

/** Checks that the keys of the directory are usable, and are those that are configured. A URL that fails is also found by {@link checkEndpoints}. */
export async function checkDirectory({ config: { directory }, clock }: Inspection): Promise<readonly Finding[]> {
  const { jwksFile, caFile } = directory ?? {};
  if (directory === undefined || [jwksFile, caFile].some((each) => each !== undefined && !isReadable(each))) return [];
  let remedy = `Fetch the current JWKS of ${directory.issuer} into ${jwksFile}.`;
  try {
    const jwks = jwksFile === undefined ? undefined : await readJwks('directory.jwksFile', jwksFile);
    const ca = caFile === undefined ? undefined : readCertificates('directory.caFile', caFile);
    remedy = 'Check "directory.jwksUrl", and that "directory.keyThumbprints" are those that the directory announced.';
    const keys = await openDirectoryKeys({ directory, jwks, ca, clock });
    // Of no key: it only makes the keys be fetched.
    await keys.keyFor('').finally(() => keys.close());
    return [ok('directory', `The keys of ${directory.issuer} are usable.`)];
  } catch (error) {
    if (!(error instanceof JwksUnavailableError || error instanceof JwksError)) {
      return [faultFrom('directory', error, remedy)];
    }
    return [fault('directory', `The keys of ${directory.issuer} are not usable: ${error.message}`, remedy)];
  }
}
