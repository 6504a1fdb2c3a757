import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import type { TestContext } from 'node:test';
import { listenHttps, sendJson, temporaryFolder, testPki } from '@tidings/testing';
import { BANK_ORG_ID, CLIENT_ID, ISSUER, testBank } from './sets.ts';

/**
 * Gives the examples their settings as the sandbox would, until the test ends.
 *
 * @param more further settings, from the folder that the test may use
 */
export async function giveSettings(
  t: TestContext,
  more: (folder: string) => Readonly<Record<string, string>> = () => ({}),
): Promise<void> {
  const { jwk } = await testBank();
  const { origin } = await listenHttps(t, (_, response) => sendJson(response, { keys: [jwk] }));
  const folder = temporaryFolder();
  const caFile = join(folder.path, 'root.pem');
  await writeFile(caFile, (await testPki()).caPem);
  const settings: Record<string, string> = {
    BANK_ISSUER: ISSUER,
    BANK_ORGANISATION_ID: BANK_ORG_ID,
    BANK_JWKS_URL: origin,
    SANDBOX_CA_FILE: caFile,
    TPP_CLIENT_ID: CLIENT_ID,
    PORT: '0',
    ...more(folder.path),
  };
  const before = Object.keys(settings).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, settings);
  t.after(() => {
    folder.remove();
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
