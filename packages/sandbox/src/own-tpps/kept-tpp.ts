import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isJsonObject } from '@tidings/protocol';
import { readStateFile, StateFolderError } from '../pki/state-folder.ts';

/** File of a TPP that was added; a folder without it has none. */
export const TPP_FILE = 'tpp.json';
/** The same as environment variables. */
export const ENV_FILE = 'tpp.env';

/** A TPP that was added to this sandbox, in this run or an earlier one. */
export interface KeptTpp {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  readonly callbackUrl: string;
}

/** Reads the TPPs that were added, in the order of their client_ids. @throws {StateFolderError} for a damaged file */
export async function readKeptTpps(folder: string): Promise<readonly KeptTpp[]> {
  const names = await readdir(folder).catch(() => []);
  const kept = await Promise.all(names.sort().map((name) => readKeptTpp(path.join(folder, name))));
  return kept.filter((tpp) => tpp !== undefined);
}

async function readKeptTpp(folder: string): Promise<KeptTpp | undefined> {
  const text = await readStateFile(folder, TPP_FILE);
  if (text === undefined) return undefined;
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    const file = path.join(folder, TPP_FILE);
    throw new StateFolderError(`${file} is damaged; remove its folder, and add the TPP again.`, { cause: error });
  }
}

function parse(json: unknown): KeptTpp {
  const { clientId, organisationId, softwareStatementId, callbackUrl } = isJsonObject(json) ? json : {};
  if (
    typeof clientId !== 'string' ||
    typeof organisationId !== 'string' ||
    typeof softwareStatementId !== 'string' ||
    typeof callbackUrl !== 'string' ||
    !URL.canParse(callbackUrl)
  ) {
    throw new TypeError('A member is missing');
  }
  return { clientId, organisationId, softwareStatementId, callbackUrl };
}
