/** Keys and certificates of a TPP that a developer adds to the sandbox, in a folder of its own. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { issueLeaf, type KeyedCertificate, type Purpose } from './issue.ts';
import { readKeptPki, writeWhereDifferent } from './kept-pki.ts';
import { makeKeyPem } from './keys.ts';
import type { Identity } from './participants.ts';
import { type CertificateFiles, filesOf, isDue, type Participant, presentParticipant } from './pki.ts';
import {
  makeStateFolder,
  PRIVATE_FILE_MODE,
  PUBLIC_FILE_MODE,
  readStateFile,
  StateFolderError,
} from './state-folder.ts';

/** The certificates of a developer's TPP. */
export interface OwnTppCertificates extends Participant {
  /** Server certificate for the callback URL, valid for its host and for this machine. */
  readonly receiver: CertificateFiles;
}

/**
 * Opens the keys and certificates of a TPP, and makes what is missing. Keys stay the same; a certificate is issued again when
 * it expires within 30 days, or when the root was replaced.
 *
 * @param options.pkiFolder the folder of the sandbox's PKI, which must exist
 * @param options.callbackHost host of the callback URL, without brackets
 * @throws {StateFolderError}
 */
export async function openOwnTpp(options: {
  readonly pkiFolder: string;
  readonly folder: string;
  readonly identity: Identity;
  readonly callbackHost: string;
  readonly nowMs: number;
}): Promise<OwnTppCertificates> {
  const { pkiFolder, folder, identity, callbackHost, nowMs } = options;
  const pki = await readKeptPki(pkiFolder);
  if (pki === undefined) throw new StateFolderError(`There is no PKI in ${pkiFolder}; start the sandbox again.`);
  await makeStateFolder(folder);
  const open = async (name: string, purpose: Purpose, added: { identity: Identity; serverName?: string }) => {
    const keyPem = (await readKey(folder, name)) ?? (await makeKeyPem());
    // The key first: a certificate without its key would be of no use after a crash.
    await writeWhereDifferent(folder, `${name}.key`, { text: keyPem, mode: PRIVATE_FILE_MODE });
    const kept = await readStateFile(folder, `${name}.pem`);
    const certificatePem =
      kept !== undefined && isCurrent(kept, { keyPem, root: pki.root, nowMs, ...added })
        ? kept
        : (await issueLeaf(pki.root, { purpose, keyPem, nowMs, ...added })).certificatePem;
    await writeWhereDifferent(folder, `${name}.pem`, { text: certificatePem, mode: PUBLIC_FILE_MODE });
    return { certificatePem, keyPem, ...filesOf(folder, name) };
  };
  const [transport, signing, receiver] = await Promise.all([
    open('transport', 'transport', { identity }),
    open('signing', 'signing', { identity }),
    open('receiver', 'transport', {
      identity: { ...identity, transportCommonName: callbackHost },
      serverName: callbackHost,
    }),
  ]);
  return { ...presentParticipant(identity, transport, signing), receiver };
}

async function readKey(folder: string, name: string): Promise<string | undefined> {
  const keyPem = await readStateFile(folder, `${name}.key`);
  if (keyPem === undefined) return undefined;
  try {
    createPrivateKey(keyPem);
    return keyPem;
  } catch (error) {
    const { keyFile } = filesOf(folder, name);
    throw new StateFolderError(`The key in ${keyFile} is damaged; remove that file to make a new key.`, {
      cause: error,
    });
  }
}

function isCurrent(
  certificatePem: string,
  { keyPem, root, nowMs, serverName }: { keyPem: string; root: KeyedCertificate; nowMs: number; serverName?: string },
): boolean {
  try {
    const certificate = new X509Certificate(certificatePem);
    const isForName =
      serverName === undefined ||
      certificate.checkHost(serverName) !== undefined ||
      certificate.checkIP(serverName) !== undefined;
    return (
      isForName &&
      !isDue({ certificatePem }, nowMs) &&
      certificate.checkPrivateKey(createPrivateKey(keyPem)) &&
      certificate.verify(new X509Certificate(root.certificatePem).publicKey)
    );
  } catch {
    // It cannot be read, so it is issued again.
    return false;
  }
}
