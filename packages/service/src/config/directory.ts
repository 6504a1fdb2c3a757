import { type Static, Type } from 'typebox';
import { StartUpError } from '../base/start-up-error.ts';
import { file, keyAges, section, text, whole } from './setting.ts';

const httpsUrl = (description: string) =>
  Type.String({ format: 'uri', pattern: '^https://', maxLength: 2048, description });

/** The section `directory`: whose software statements are believed. */
export const DIRECTORY_SECTION = section({
  issuer: text('iss of software statement assertions, such as OpenBanking Ltd'),
  jwksFile: Type.Optional(
    file('JWKS of the directory, which signs software statement assertions; in place of jwksUrl'),
  ),
  jwksUrl: Type.Optional(httpsUrl('URL of the JWKS of the directory. It is fetched when it is needed')),
  caFile: Type.Optional(
    file('Root certificates that certificates of the directory must chain to, PEM. Default: those of Node.js'),
  ),
  keyThumbprints: Type.Optional(
    Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }), {
      minItems: 1,
      maxItems: 20,
      uniqueItems: true,
      description:
        'Thumbprints (RFC 7638, SHA-256) of the keys of the directory that are believed; others of its JWKS are ignored. Default: all are believed',
    }),
  ),
  ...keyAges('maxAgeMs', 'hardMaxAgeMs'),
  refetchMinMs: whole(
    30_000,
    100,
    3_600_000,
    'Shortest time between two fetches of the keys after a failure or for an unknown kid',
  ),
  timeoutMs: whole(5000, 100, 60_000, 'Longest time a call to the directory may take'),
  refreshMs: whole(
    3_600_000,
    0,
    604_800_000,
    'How often the keys of TPPs with a JWKS URL, and their software statements, are looked up; 0: never',
  ),
  statementUrl: Type.Optional(
    Type.String({
      pattern: '^https://[^/?#@]+/[^@]*\\{softwareStatementId\\}[^@]*$',
      maxLength: 2048,
      description:
        'URL of the current software statement assertion of a TPP, with {softwareStatementId} and, where needed, {organisationId} in it. Default: statements are not looked up',
    }),
  ),
  tokenFile: Type.Optional(file('Access token for statementUrl. It is read at each call, so that it can be renewed')),
  certificateFile: Type.Optional(file('Client certificate for statementUrl, PEM; needs keyFile')),
  keyFile: Type.Optional(file('Private key of certificateFile, PEM')),
  isRevokedSuspended: Type.Boolean({
    default: true,
    description:
      'Whether a TPP is suspended once a software statement of the directory says that its organisation is not active, or has no role any more. Only an operator resumes it',
  }),
});

/** @throws {StartUpError} one sentence that names the settings and the remedy */
export function assertDirectory(directory: Static<typeof DIRECTORY_SECTION> | undefined, source: string): void {
  if (directory === undefined) return;
  if ((directory.jwksFile === undefined) === (directory.jwksUrl === undefined)) {
    throw new StartUpError(`${source}: give one of "directory.jwksFile" and "directory.jwksUrl".`);
  }
  const { statementUrl, tokenFile, certificateFile, keyFile } = directory;
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    throw new StartUpError(`${source}: "directory.certificateFile" and "directory.keyFile" go together; give both.`);
  }
  if (statementUrl === undefined && (tokenFile ?? certificateFile) !== undefined) {
    throw new StartUpError(
      `${source}: "directory.tokenFile" and "directory.certificateFile" need "directory.statementUrl".`,
    );
  }
}
