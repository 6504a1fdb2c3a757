import { isJsonObject } from '@tidings/protocol';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';

/** The flags that set parameters and fields of a call, by their names: an error names the flag. */
export type FlagNames = Readonly<Record<string, string>>;

/** An answer of the operator API, or of a gateway in front of it, that refuses a call. */
export interface Refusal {
  /** The address that was called. */
  readonly url: string;
  readonly status: number;
  /** Parsed JSON; undefined if it is none. */
  readonly body: unknown;
}

export const CHECK_ADDRESS = 'Check the address in --operator-url or TIDINGS_OPERATOR_URL.';

const GATEWAY_STATUSES: readonly number[] = [502, 503, 504];
/** An unknown path, query parameter or field: the service is of another version. */
const UNKNOWN = /^There is no \S+ \S+ in the operator API|is not a query parameter of|is not a known field/;

/**
 * Describes in the words of the command line why a service refused a call, with the remedy. This is the one place where
 * sentences of the operator API are translated.
 *
 * @returns undefined if that is not an answer of the operator API
 */
export function describeRefusal({ url, status, body }: Refusal, flagNames: FlagNames = {}): string | undefined {
  const detail = isJsonObject(body) && typeof body['detail'] === 'string' ? body['detail'] : undefined;
  if (detail === undefined) {
    return GATEWAY_STATUSES.includes(status)
      ? `The gateway at ${url} answered with status ${status}: the service behind it is down or unreachable. ${CHECK_ADDRESS}`
      : undefined;
  }
  if (status === 401) return `${detail} Give a valid token with --token-file or TIDINGS_TOKEN_FILE.`;
  if (status === 403) return `${detail} Give a token of a sufficient role with --token-file or TIDINGS_TOKEN_FILE.`;
  if ((status === 404 || status === 400) && UNKNOWN.test(detail) && !isNamedInInput(body)) {
    const remedy = 'use the "tidings" command of its version, or upgrade the service';
    return `The service at ${url} does not support this command because it is older than this "tidings"; ${remedy}.`;
  }
  const field = isJsonObject(body) && typeof body['field'] === 'string' ? body['field'] : undefined;
  const isAboutField = field !== undefined && detail.startsWith(`${field} `);
  const names = { ...ARGUMENTS, ...flagNames };
  return isAboutField
    ? `${subjectOf(field, names)}${reworded(detail.slice(field.length), names)}`
    : reworded(detail, names);
}

/** The error for a refusal. 400 is wrong usage: the service found fault with what was given, and changed nothing. */
export function refusalError(status: number, message: string): CliError {
  return new CliError(status === 400 ? EXIT_CONFIGURATION : EXIT_FAILED, message);
}

/** Parameters of the operator API that are arguments, or flags of the same meaning everywhere. */
const ARGUMENTS: FlagNames = {
  clientId: 'The client_id',
  jti: 'The jti',
  jtis: 'The jti',
  kid: 'The kid',
  softwareStatement: 'The software statement',
  limit: '--limit',
  after: '--after',
  since: '--since',
  needsAttention: '--failing',
};

/** A field of an event stands in the file that is published, so that it keeps its name. */
function isNamedInInput(body: unknown): boolean {
  return isJsonObject(body) && typeof body['field'] === 'string' && body['field'].startsWith('[');
}

/** The flag or argument that sets a field, with the member that is meant: `--jwks-file (keys[0].d)`. */
function subjectOf(field: string, names: FlagNames): string {
  const [, root = '', index = '', member] = /^(\w+)(\[\d+\])?(?:\.(.+))?$/.exec(field) ?? [];
  const name = Object.hasOwn(names, root) ? names[root] : undefined;
  if (name === undefined) return field;
  return member === undefined ? name : `${name} (${index}${member})`;
}

/** Remedies that the operator API leaves to its caller, as something to type. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /register it, or import its software statement/,
    'register it with "tidings tpps add" or "tidings tpps import"; "tidings tpps list" shows all',
  ],
  [/^A TPP with this client_id/, 'This TPP'],
  [/is already registered\.$/, 'is already registered; change it with "tidings tpps change".'],
  [/register the TPP by its ids and keys/, 'register the TPP with "tidings tpps add"'],
  [/read it again and repeat the change/, 'run the command again'],
  [/\bor force it\b/, 'or add --force'],
  [/in "signing\.next" and reload/, 'in "signing.next" and run "tidings keys announce"'],
  [/must be "next" of (?:a page|the part before)/, 'must be the position that the list before it printed'],
  [/see its "target"/, 'see "tidings tpps show"'],
];

function reworded(text: string, names: FlagNames): string {
  const renamed = text.replaceAll(/"(\w+)"|\b[a-z]+[A-Z][A-Za-z]*\b/g, (word, quoted: string | undefined) => {
    const name = quoted ?? word;
    return Object.hasOwn(names, name) ? (names[name] ?? word) : word;
  });
  return REMEDIES.reduce((said, [pattern, remedy]) => said.replace(pattern, remedy), renamed);
}
