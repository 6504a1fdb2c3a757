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
});

/** @throws {StartUpError} one sentence that names the settings and the remedy */
export function assertDirectory(directory: Static<typeof DIRECTORY_SECTION> | undefined, source: string): void {
  if (directory === undefined) return;
  if ((directory.jwksFile === undefined) === (directory.jwksUrl === undefined)) {
    throw new StartUpError(`${source}: give one of "directory.jwksFile" and "directory.jwksUrl".`);
  }
}
