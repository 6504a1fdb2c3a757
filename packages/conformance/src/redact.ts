import type { Exchange, Message } from './model.ts';

const REDACTED = '[redacted]';

const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
const SECRET_MEMBERS = 'client_assertion|client_secret|access_token|refresh_token|id_token|password|assertion';
const IN_QUERY = new RegExp(`([?&](?:${SECRET_MEMBERS})=)[^&\\s#]*`, 'g');
const IN_FORM = new RegExp(`(^|&)(${SECRET_MEMBERS})=[^&]*`, 'g');
const IN_JSON = new RegExp(`("(?:${SECRET_MEMBERS})"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"?`, 'g');

/**
 * Takes the secrets out of an exchange: the values of the headers `Authorization`, `Proxy-Authorization`, `Cookie` and
 * `Set-Cookie` (the scheme stays), and the parameters of URLs, form fields and JSON members that carry tokens, client assertions
 * and passwords. Signatures and event notifications stay: a report is about them, and they open nothing. Bodies are cut after
 * `bodyCharsMax`.
 */
export function redactExchange(exchange: Exchange, bodyCharsMax: number): Exchange {
  const { request, response } = exchange;
  return {
    ...exchange,
    request: redactMessage(request, bodyCharsMax),
    ...(response !== undefined && { response: redactMessage(response, bodyCharsMax) }),
  };
}

function redactMessage({ startLine, headers, body }: Message, bodyCharsMax: number): Message {
  return {
    startLine: startLine.replaceAll(IN_QUERY, `$1${REDACTED}`),
    headers: headers.map(([name, value]) => [name, SECRET_HEADERS.has(name) ? redactHeader(value) : value] as const),
    body: cut(body.replaceAll(IN_FORM, `$1$2=${REDACTED}`).replaceAll(IN_JSON, `$1"${REDACTED}"`), bodyCharsMax),
  };
}

/** Takes out known secrets wherever they stand, also where the other side repeats them. */
export function withoutSecrets(exchange: Exchange, secrets: Iterable<string>): Exchange {
  const spellings = [...secrets].flatMap((secret) => [secret, encodeURIComponent(secret)]);
  const clean = (text: string) => spellings.reduce((rest, each) => rest.replaceAll(each, REDACTED), text);
  const cleanMessage = ({ startLine, headers, body }: Message): Message => {
    const cleanHeaders = headers.map(([name, value]) => [name, clean(value)] as const);
    return { startLine: clean(startLine), headers: cleanHeaders, body: clean(body) };
  };
  const { request, response } = exchange;
  return {
    ...exchange,
    request: cleanMessage(request),
    ...(response !== undefined && { response: cleanMessage(response) }),
  };
}

/** Keeps the scheme, which says whether there was a token at all. */
function redactHeader(value: string): string {
  const scheme = /^(Bearer|Basic|DPoP) /i.exec(value)?.[0] ?? '';
  return `${scheme}${REDACTED}`;
}

function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  return `${text.slice(0, charsMax)}… [${text.length - charsMax} more characters]`;
}
