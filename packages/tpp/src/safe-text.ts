import { cutText, fitText } from '@tidings/protocol';

// Order matters: a token in an Authorization header is one secret, not two.
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [^-]{1,64}-----[\s\S]*?(?:-----END [^-]{1,64}-----|$)/g, '[PEM]'],
  [/\b(Bearer|Basic|DPoP)\s+[^\s,;"']+/gi, '$1 [secret]'],
  // The base64url of a JSON object: the header of a JWT or JWS.
  [/\beyJ[\w-]{5,}(?:\.[\w-]*)*/g, '[token]'],
  [/(:\/\/)[^\s/@]+@/g, '$1[secret]@'],
  [/\b(\w{0,20}(?:password|passwd|secret|token|api[-_]?key))(["']?\s*[=:]\s*["']?)[^\s,;&"']+/gi, '$1$2[secret]'],
];
// Longer texts are cut before the search, which would take too long.
const CHARS_MAX_SEARCHED = 4_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters would forge further lines of a log.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * A text of others in one line that is fit for a log: without tokens, PEM texts, passwords and control characters, and
 * cut. Finds secrets by their form, so it is a second line of defence only: never give it a body or a header.
 */
export function safeText(text: string, charsMax: number): string {
  let safe = cutText(text, CHARS_MAX_SEARCHED);
  for (const [secret, replacement] of SECRETS) safe = safe.replace(secret, replacement);
  return cutText(fitText(safe.replace(CONTROLS, ' ')).trim(), charsMax);
}
