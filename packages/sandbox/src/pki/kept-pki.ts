/**
 * Stores the sandbox's PKI in one file with all keys and certificates, so that a folder holds either one complete PKI
 * or none. The PEM files beside it are copies for people and tools, rewritten when they differ.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import path from 'node:path';
import type { KeyedCertificate } from './issue.ts';
import {
  createStateFile,
  PRIVATE_FILE_MODE,
  PUBLIC_FILE_MODE,
  readStateFile,
  type StateFile,
  StateFolderError,
  writeStateFile,
} from './state-folder.ts';

const KEPT_FILE = 'pki.json';
const KEPT_VERSION = 1;

/** Names of the leaf certificates and of their PEM files. */
export const LEAF_NAMES = ['bank-transport', 'bank-signing', 'tpp-transport', 'tpp-signing'] as const;
export type LeafName = (typeof LEAF_NAMES)[number];

/** The root and the four leaf certificates, each with its key. */
export interface KeptPki {
  readonly root: KeyedCertificate;
  readonly leaves: Readonly<Record<LeafName, KeyedCertificate>>;
}

/**
 * Reads the PKI stored in a folder; undefined when there is none. Checks that every certificate matches its key and was
 * issued by the root.
 *
 * @throws {StateFolderError} when the file cannot be read or is damaged. It is not replaced silently, because its keys
 *   may be registered elsewhere.
 */
export async function readKeptPki(folder: string): Promise<KeptPki | undefined> {
  const text = await readStateFile(folder, KEPT_FILE);
  if (text === undefined) return undefined;
  try {
    const kept = parseKeptPki(JSON.parse(text));
    assertBelongTogether(kept);
    return kept;
  } catch (error) {
    const file = path.join(folder, KEPT_FILE);
    throw new StateFolderError(
      `The PKI in ${file} is damaged; remove that file to create a new PKI on the next start.`,
      { cause: error },
    );
  }
}

/** Stores a PKI atomically, replacing the former one. @throws {StateFolderError} */
export async function writeKeptPki(folder: string, pki: KeptPki): Promise<void> {
  await writeStateFile(folder, KEPT_FILE, keptFile(pki));
}

/**
 * Stores the first PKI of a folder atomically, unless another process has done so meanwhile.
 * @returns the PKI that is now stored
 * @throws {StateFolderError}
 */
export async function createKeptPki(folder: string, pki: KeptPki): Promise<KeptPki> {
  const isKept = await createStateFile(folder, KEPT_FILE, keptFile(pki));
  return isKept ? pki : ((await readKeptPki(folder)) ?? pki);
}

function keptFile(pki: KeptPki): StateFile {
  return { text: `${JSON.stringify({ version: KEPT_VERSION, ...pki }, null, 2)}\n`, mode: PRIVATE_FILE_MODE };
}

/**
 * Updates the PEM files of a folder from the stored PKI. The root's private key has no such file. @throws
 * {StateFolderError}
 */
export async function writePemFiles(folder: string, pki: KeptPki): Promise<void> {
  await writeWhereDifferent(folder, 'root.pem', { text: pki.root.certificatePem, mode: PUBLIC_FILE_MODE });
  for (const name of LEAF_NAMES) {
    const { certificatePem, keyPem } = pki.leaves[name];
    await writeWhereDifferent(folder, `${name}.pem`, { text: certificatePem, mode: PUBLIC_FILE_MODE });
    await writeWhereDifferent(folder, `${name}.key`, { text: keyPem, mode: PRIVATE_FILE_MODE });
  }
}

/** Writes a file unless it has this content. @throws {StateFolderError} */
export async function writeWhereDifferent(folder: string, name: string, file: StateFile): Promise<void> {
  if ((await readStateFile(folder, name)) !== file.text) await writeStateFile(folder, name, file);
}

function parseKeptPki(json: unknown): KeptPki {
  const { version, root, leaves } = asObject(json);
  if (version !== KEPT_VERSION) throw new TypeError(`Unknown version ${JSON.stringify(version)}`);
  const members = asObject(leaves);
  return {
    root: parseKeyedCertificate(root),
    leaves: {
      'bank-transport': parseKeyedCertificate(members['bank-transport']),
      'bank-signing': parseKeyedCertificate(members['bank-signing']),
      'tpp-transport': parseKeyedCertificate(members['tpp-transport']),
      'tpp-signing': parseKeyedCertificate(members['tpp-signing']),
    },
  };
}

function parseKeyedCertificate(json: unknown): KeyedCertificate {
  const { certificatePem, keyPem } = asObject(json);
  if (typeof certificatePem !== 'string' || typeof keyPem !== 'string') throw new TypeError('No certificate or no key');
  return { certificatePem, keyPem };
}

function asObject(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new TypeError('Not a JSON object');
  return { ...json };
}

function assertBelongTogether({ root, leaves }: KeptPki): void {
  const rootCertificate = new X509Certificate(root.certificatePem);
  for (const { certificatePem, keyPem } of [root, ...Object.values(leaves)]) {
    const certificate = new X509Certificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem)))
      throw new TypeError('A key does not match its certificate');
    if (!certificate.verify(rootCertificate.publicKey)) throw new TypeError('A certificate was not issued by the root');
  }
}
