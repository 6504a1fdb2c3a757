import type { UnreachableClass } from '../model/attempt.ts';

// The name of undici's error for bytes that are not HTTP; it has no code.
const PARSER_ERROR = 'HTTPParserError';

const CLASS_OF_CODE: Readonly<Record<string, UnreachableClass>> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  ECONNREFUSED: 'connect',
  EHOSTUNREACH: 'connect',
  ENETUNREACH: 'connect',
  EADDRNOTAVAIL: 'connect',
  ENETDOWN: 'connect',
  EACCES: 'connect',
  EPROTO: 'tls',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls',
  HOSTNAME_MISMATCH: 'tls',
  INVALID_CA: 'tls',
  INVALID_PURPOSE: 'tls',
  PATH_LENGTH_EXCEEDED: 'tls',
  // Node's code for faults of certificates without a code of their own, such as a key that is too small.
  UNSPECIFIED: 'tls',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_ABORTED: 'reset',
  INTERIM_OVERFLOW: 'oversized',
  UND_ERR_HEADERS_OVERFLOW: 'oversized',
  HPE_HEADER_OVERFLOW: 'oversized',
  [PARSER_ERROR]: 'malformed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'malformed',
};

const CLASS_OF_PREFIX: readonly (readonly [string, UnreachableClass])[] = [
  ['FORBIDDEN_', 'forbidden-address'],
  ['DNS_', 'dns'],
  ['PROXY_', 'connect'],
  ['ERR_TLS_', 'tls'],
  ['ERR_SSL_', 'tls'],
  ['CERT_', 'tls'],
  ['UNABLE_TO_', 'tls'],
  ['HPE_', 'malformed'],
];

/**
 * Classifies an error of undici, TLS or the system by its code. The detail, for the operator, is that code: short, and without
 * any text of the other side.
 */
export function classifyFailure(error: unknown): { errorClass: UnreachableClass; detail: string } {
  for (const code of codesOf(error)) {
    const known = CLASS_OF_CODE[code] ?? CLASS_OF_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1];
    if (known !== undefined) return { errorClass: known, detail: code };
  }
  const [code] = codesOf(error);
  return { errorClass: 'reset', detail: code ?? (error instanceof Error ? error.name : 'unknown') };
}

const CAUSES_MAX = 5;

/** The codes of the error, its causes and the addresses that were tried, the innermost first. */
function codesOf(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > CAUSES_MAX) return [];
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  return [...inner.flatMap((one: unknown) => codesOf(one, depth + 1)), ...ownCode(error)];
}

function ownCode(error: Error): string[] {
  if ('code' in error && typeof error.code === 'string') return [error.code];
  return error.name === PARSER_ERROR ? [PARSER_ERROR] : [];
}
