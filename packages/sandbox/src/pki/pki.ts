/** The sandbox's public key infrastructure, which takes the place of the Open Banking Directory. */

import { createHash, X509Certificate } from 'node:crypto';
import path from 'node:path';
import { expiresAtMs, issueLeaf, issueRoot, type KeyedCertificate, transportSubjectDn } from './issue.ts';
import { createKeptPki, type KeptPki, type LeafName, readKeptPki, writeKeptPki, writePemFiles } from './kept-pki.ts';
import { makeKeyPem, publicSigningJwk, type RsaSigningJwk } from './keys.ts';
import { IDENTITIES, type Identity, TPP_SOFTWARE_STATEMENT_ID } from './participants.ts';
import { makeStateFolder } from './state-folder.ts';

export type { RsaSigningJwk } from './keys.ts';
export { StateFolderError } from './state-folder.ts';

/** Time before expiry from which a certificate is renewed: before the service warns of it (`notify.expiryDays`). */
const RENEWAL_MS = 30 * 24 * 60 * 60 * 1000;

/** A certificate and its key, in PEM and as absolute paths of PEM files. */
export interface CertificateFiles {
  readonly certificatePem: string;
  /** PKCS #8, unencrypted. */
  readonly keyPem: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/**
 * An OBWAC style certificate for TLS clients and servers, with localhost, 127.0.0.1 and ::1 as subject alternative
 * names.
 */
export interface TransportCertificate extends CertificateFiles {
  /** RFC 4514, most specific first: `CN=…,organizationIdentifier=…,O=…,C=GB`. Compare parsed RDNs, not the text. */
  readonly subjectDn: string;
  /** SHA-256 of the certificate's DER in base64url, as in `cnf.x5t#S256` (RFC 8705 section 3.1). */
  readonly thumbprintS256: string;
}

/** An OBSeal style certificate: for signatures, not for TLS. */
export interface SigningCertificate extends CertificateFiles {
  /** RFC 7638 thumbprint of the key, which stays the same when the certificate is renewed. Opaque to others. */
  readonly kid: string;
  readonly publicJwk: RsaSigningJwk;
}

/** One organisation of the sandbox. */
export interface Participant {
  /** `org-id` in the Directory. */
  readonly organisationId: string;
  readonly transport: TransportCertificate;
  readonly signing: SigningCertificate;
}

/** The TPP, which has a software statement besides its organisation. */
export interface TppParticipant extends Participant {
  readonly softwareStatementId: string;
}

/** The root and the certificates and keys of both participants. */
export interface SandboxPki {
  readonly root: { readonly certificatePem: string; readonly certificateFile: string };
  readonly bank: Participant;
  readonly tpp: TppParticipant;
}

/**
 * Opens the sandbox's PKI in a folder, and creates it on the first call.
 *
 * Later calls return the same keys, `kid`s and certificates. A leaf certificate that expires within 30 days is renewed
 * for the same key. When the root expires within 30 days, everything is replaced, including the keys. A crash at any
 * point leaves the former PKI, the new one, or none.
 *
 * When several processes open a new folder at once, all use the PKI of the first. There is no other locking: when
 * several renew certificates at once, the last write wins. Does not revoke certificates or encrypt keys; the key files
 * are readable by their owner only (0600, in a folder created with 0700).
 *
 * @param options.folder created with its parents when missing
 * @param options.nowMs milliseconds since the epoch
 * @throws {StateFolderError} when the folder cannot be read or written, or its content is damaged
 */
export async function openPki(options: { folder: string; nowMs: number }): Promise<SandboxPki> {
  const folder = path.resolve(options.folder);
  await makeStateFolder(folder);
  const kept = await readKeptPki(folder);
  const pki = await keep(folder, kept, await bringUpToDate(kept, options.nowMs));
  // Also when nothing changed: an earlier call may have crashed between the two steps.
  await writePemFiles(folder, pki);
  return present(folder, pki);
}

async function keep(folder: string, kept: KeptPki | undefined, pki: KeptPki): Promise<KeptPki> {
  if (kept === undefined) return createKeptPki(folder, pki);
  if (pki !== kept) await writeKeptPki(folder, pki);
  return pki;
}

/** @returns `kept` itself when nothing is due */
async function bringUpToDate(kept: KeptPki | undefined, nowMs: number): Promise<KeptPki> {
  if (kept === undefined || isDue(kept.root, nowMs)) return makePki(nowMs);
  if (!Object.values(kept.leaves).some((leaf) => isDue(leaf, nowMs))) return kept;
  const keyPemOf = async (name: LeafName) => kept.leaves[name].keyPem;
  const renewed = await issueLeaves(kept.root, keyPemOf, nowMs);
  const ifDue = (name: LeafName) => (isDue(kept.leaves[name], nowMs) ? renewed[name] : kept.leaves[name]);
  return {
    root: kept.root,
    leaves: {
      'bank-transport': ifDue('bank-transport'),
      'bank-signing': ifDue('bank-signing'),
      'tpp-transport': ifDue('tpp-transport'),
      'tpp-signing': ifDue('tpp-signing'),
    },
  };
}

async function makePki(nowMs: number): Promise<KeptPki> {
  const root = await issueRoot(nowMs);
  return { root, leaves: await issueLeaves(root, makeKeyPem, nowMs) };
}

async function issueLeaves(
  root: KeyedCertificate,
  keyPemOf: (name: LeafName) => Promise<string>,
  nowMs: number,
): Promise<KeptPki['leaves']> {
  const issue = async (party: 'bank' | 'tpp', purpose: 'transport' | 'signing') =>
    issueLeaf(root, { identity: IDENTITIES[party], purpose, keyPem: await keyPemOf(`${party}-${purpose}`), nowMs });
  const [bankTransport, bankSigning, tppTransport, tppSigning] = await Promise.all([
    issue('bank', 'transport'),
    issue('bank', 'signing'),
    issue('tpp', 'transport'),
    issue('tpp', 'signing'),
  ]);
  return {
    'bank-transport': bankTransport,
    'bank-signing': bankSigning,
    'tpp-transport': tppTransport,
    'tpp-signing': tppSigning,
  };
}

/** Whether a certificate is to be renewed. */
export function isDue({ certificatePem }: Pick<KeyedCertificate, 'certificatePem'>, nowMs: number): boolean {
  return expiresAtMs(certificatePem) - nowMs < RENEWAL_MS;
}

function present(folder: string, pki: KeptPki): SandboxPki {
  return {
    root: { certificatePem: pki.root.certificatePem, certificateFile: path.join(folder, 'root.pem') },
    bank: participantOf(folder, pki, 'bank'),
    tpp: { ...participantOf(folder, pki, 'tpp'), softwareStatementId: TPP_SOFTWARE_STATEMENT_ID },
  };
}

function participantOf(folder: string, pki: KeptPki, party: 'bank' | 'tpp'): Participant {
  const files = (name: LeafName) => ({ ...pki.leaves[name], ...filesOf(folder, name) });
  return presentParticipant(IDENTITIES[party], files(`${party}-transport`), files(`${party}-signing`));
}

/** The paths of a certificate and its key in a folder. */
export function filesOf(folder: string, name: string): Pick<CertificateFiles, 'certificateFile' | 'keyFile'> {
  return { certificateFile: path.join(folder, `${name}.pem`), keyFile: path.join(folder, `${name}.key`) };
}

/** A participant with these certificates. */
export function presentParticipant(
  identity: Identity,
  transport: CertificateFiles,
  signing: CertificateFiles,
): Participant {
  const publicJwk = publicSigningJwk(signing.keyPem);
  return {
    organisationId: identity.organisationId,
    transport: {
      ...transport,
      subjectDn: transportSubjectDn(identity),
      thumbprintS256: createHash('sha256')
        .update(new X509Certificate(transport.certificatePem).raw)
        .digest('base64url'),
    },
    signing: { ...signing, kid: publicJwk.kid, publicJwk },
  };
}
