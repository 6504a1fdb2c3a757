import { importSigningKeys, JwksError, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { createHttpsClient, type HttpsAnswer, HttpsError } from '../../net/https-client.ts';
import { readCertificates, readJwks, readTlsIdentity } from '../../trust/files.ts';
import { JWKS_BYTES_MAX } from '../../trust/jwks-cache.ts';
import { checkDifference, type Finding, fault, type Inspection, ok, refusal, warning } from './finding.ts';
import { isReadable, sectionsOf, textOf } from './settings.ts';

const TIMEOUT_MS = 5000;
const NOT_FOUND = 404;
/** The header says whole seconds. */
const DATE_ROUNDED_MS = 500;

/** Somebody whose keys, or whose word, tokens are checked with. */
interface Endpoint {
  /** Such as `accessTokens.jwksUrl`. */
  readonly setting: string;
  /** The section it stands in, whose files its connections are made with. */
  readonly section: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly url: string;
  readonly isJwks: boolean;
}

/** Where keys are published, or tokens introspected: reached, trusted, of use. Nothing is sent but a GET without a token. */
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
    const here = (before + clock.nowMs()) / 2;
    const finding = isJwks ? await checkKeys(answer, endpoint) : checkIntrospection(answer, endpoint);
    return [finding, ...checkDate(answer, here, url)];
  } catch (error) {
    if (!(error instanceof HttpsError)) throw error;
    return [
      fault('keys of others', `${url} ("${setting}") cannot be reached (${error.message}).`, remedyOf(error, section)),
    ];
  } finally {
    await https.close();
  }
}

/** Undefined where a file is not as it should be, which others tell. */
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

const OF_TRUST = /CERT|SIGNATURE|ISSUER|UNABLE_TO/;
const OF_CLIENT = /ALERT|ECONNRESET|UND_ERR_SOCKET/;

function remedyOf({ message }: HttpsError, section: string): string {
  if (OF_TRUST.test(message) && !message.startsWith('ERR_SSL')) {
    return `Put the roots that its certificate leads to into "${section}.caFile", and use the host name that it has.`;
  }
  if (OF_CLIENT.test(message)) {
    return `If it demands a client certificate, give it in "${section}.certificateFile" and "${section}.keyFile".`;
  }
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) return 'Correct the host in the URL, or the DNS of this machine.';
  return 'Correct the URL, start what should answer there, and let the firewall of this machine pass it.';
}

async function checkKeys({ status, body }: HttpsAnswer, { setting, url }: Endpoint): Promise<Finding> {
  const remedy = `Correct "${setting}"; it is the "jwks_uri" of the issuer's discovery document.`;
  if (status !== 200) return fault('keys of others', `${url} ("${setting}") answers with status ${status}.`, remedy);
  try {
    const { kids, leftOut } = await importSigningKeys(parseStrictJson(body));
    if (kids.length > 0) return ok('keys of others', `${url} ("${setting}") has ${kids.length} keys that can be used.`);
    const why = leftOut[0] === undefined ? 'it is empty' : `of the first, ${leftOut[0].reason}`;
    const publish =
      'Let the issuer publish an RSA key of 2048 to 8192 bits with a kid, "use": "sig", and sign with PS256.';
    return fault('keys of others', `${url} ("${setting}") has no key that can be used: ${why}.`, publish);
  } catch (error) {
    if (!(error instanceof JwksError || error instanceof StrictJsonError)) throw error;
    return fault('keys of others', `What ${url} ("${setting}") answers is not a JWKS.`, remedy);
  }
}

/** Its answer to a GET does not matter: it is reachable, and it is trusted. */
function checkIntrospection({ status }: HttpsAnswer, { setting, url }: Endpoint): Finding {
  if (status !== NOT_FOUND) return ok('keys of others', `${url} ("${setting}") is reached and trusted.`);
  const what = `${url} ("${setting}") answers with status ${status}.`;
  return warning(
    'keys of others',
    what,
    `Check "${setting}"; it is the "introspection_endpoint" of the discovery document.`,
  );
}

function checkDate({ date }: HttpsAnswer, hereMs: number, url: string): readonly Finding[] {
  const toldMs = Date.parse(date ?? '');
  if (Number.isNaN(toldMs)) return [];
  const remedy = 'Let this machine follow a time server (NTP): timedatectl set-ntp true';
  return [checkDifference(`the clock of ${new URL(url).host}`, toldMs + DATE_ROUNDED_MS - hereMs, remedy)];
}

/** The keys of the directory, which are a file. */
export async function checkDirectory({ config: { directory } }: Inspection): Promise<readonly Finding[]> {
  if (directory === undefined || !isReadable(directory.jwksFile)) return [];
  try {
    await readJwks('directory.jwksFile', directory.jwksFile);
    return [ok('directory', `The keys of ${directory.issuer} can be used.`)];
  } catch (error) {
    const remedy = `Fetch the JWKS of ${directory.issuer} anew, and put it into ${directory.jwksFile}.`;
    return [refusal('directory', error, remedy)];
  }
}
