import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { systemErrorCode } from '../base/start-up-error.ts';

const ELSEWHERE = 'Point elsewhere with --operator-url or TIDINGS_OPERATOR_URL.';

/** Why a service was not reached, and what to do about it. @param url where it should be */
export function sayUnreachable(url: string, error: unknown): string {
  const code = systemErrorCode(error) ?? 'unknown';
  if (/CERT|SIGNATURE|ISSUER/.test(code) && !code.startsWith('ERR_SSL')) {
    const remedy = 'give the roots it leads to with --ca-file or TIDINGS_CA_FILE, and use a host name that it has';
    return `The certificate of ${url} is not trusted (${code}); ${remedy}.`;
  }
  // With TLS 1.3 a server that misses a client certificate says so only after the handshake, or just hangs up.
  if (url.startsWith('https') && /ALERT|UND_ERR_SOCKET|ECONNRESET/.test(code)) {
    const remedy = 'give the one that it knows with --certificate-file and --key-file';
    return `${url} hung up (${code}): does it demand a client certificate? Then ${remedy}. ${ELSEWHERE}`;
  }
  if (/SSL|EPROTO|HPE_|UND_ERR_SOCKET/.test(code)) {
    return `${url} does not speak ${url.startsWith('https') ? 'TLS: is it http://' : 'HTTP: is it https://'}? (${code}) ${ELSEWHERE}`;
  }
  if (/ENOTFOUND|EAI_/.test(code)) return `The host of ${url} cannot be looked up (${code}). ${ELSEWHERE}`;
  if (/TIMEOUT|TIMEDOUT/.test(code)) {
    return `${url} did not answer in time (${code}): it is overloaded, or a firewall drops what is sent. ${ELSEWHERE}`;
  }
  return `The operator API at ${url} cannot be reached (${code}): is the service running? ${ELSEWHERE}`;
}

/** What the operator API says to a path that it does not have. */
const UNKNOWN_PATH = /^There is no \S+ \S+ in the operator API/;
const OF_PROXY: readonly number[] = [502, 503, 504];

/**
 * Why a service refused a call, and what to do where the service cannot know that.
 *
 * @param bytes the body of its answer
 * @returns undefined when that is no answer of the operator API
 */
export function sayRefused(url: string, status: number, bytes: Uint8Array): string | undefined {
  const detail = detailOf(bytes);
  if (detail === undefined) {
    return OF_PROXY.includes(status)
      ? `What is in front of ${url} answers ${status}: the service behind it does not run, or is not reached. ${ELSEWHERE}`
      : undefined;
  }
  if (status === 401) return `${detail} Give one that ${url} knows with --token-file or TIDINGS_TOKEN_FILE.`;
  if (status === 403) return `${detail} A token that may is given with --token-file or TIDINGS_TOKEN_FILE.`;
  if (status === 404 && UNKNOWN_PATH.test(detail)) {
    const remedy = 'use the "tidings" of its version, or upgrade the service';
    return `The service at ${url} does not know this command, so it is older than this "tidings"; ${remedy}.`;
  }
  return detail;
}

/** RFC 9457 section 3.1.4. */
function detailOf(bytes: Uint8Array): string | undefined {
  try {
    const body = parseStrictJson(bytes, { acceptsUnfitTexts: true });
    return isJsonObject(body) && typeof body['detail'] === 'string' ? body['detail'] : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}
