/** The sandbox's public key infrastructure: what the Open Banking Directory is to a real ecosystem, in one folder. */

import { createHash, X509Certificate } from 'node:crypto';
import path from 'node:path';
import { formatDistinguishedName, subjectOf } from './distinguished-name.ts';
import { expiresAtMs, issueLeaf, issueRoot, type KeyedCertificate } from './issue.ts';
import { createKeptPki, type KeptPki, type LeafName, readKeptPki, writeKeptPki, writePemFiles } from './kept-pki.ts';
import { makeKeyPem, publicSigningJwk, type RsaSigningJwk } from './keys.ts';
import { IDENTITIES, TPP_SOFTWARE_STATEMENT_ID } from './participants.ts';
import { makeStateFolder } from './state-folder.ts';

export type { RsaSigningJwk } from './keys.ts';
export { StateFolderError } from './state-folder.ts';

/** A certificate that expires within this time is renewed. */
const RENEWAL_MS = 7 * 24 * 60 * 60 * 1000;

/** A certificate and its key: in PEM, and where the same PEM lies as files (absolute paths). */
export interface CertificateFiles {
  readonly certificatePem: string;
  /** PKCS #8, unencrypted. */
  readonly keyPem: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/**
 * An OBWAC style certificate: for TLS as client and as server, with localhost, 127.0.0.1 and ::1 as subject
 * alternative names.
 */
export interface TransportCertificate extends CertificateFiles {
  /** RFC 4514, most specific first: `CN=…,organizationIdentifier=…,O=…,C=GB`. Compare parsed RDNs, not the text. */
  readonly subjectDn: string;
  /** SHA-256 of the certificate's DER in base64url, as in `cnf.x5t#S256` (RFC 8705 section 3.1). */
  readonly thumbprintS256: string;
}

/** An OBSeal style certificate: for signatures, not for TLS. */
export interface SigningCertificate extends CertificateFiles {
  /** The key's RFC 7638 thumbprint. It stays the same when the certificate is renewed. Opaque to others. */
  readonly kid: string;
  readonly publicJwk: RsaSigningJwk;
}

/** One organisation of the sandbox. */
export interface Participant {
  /** The `org-id` of the Directory. */
  readonly organisationId: string;
  readonly transport: TransportCertificate;
  readonly signing: SigningCertificate;
}

/** The TPP, which has a piece of software registered beside its organisation. */
export interface TppParticipant extends Participant {
  readonly softwareStatementId: string;
}

/** Everything that the sandbox's servers and clients need to trust and to sign. */
export interface SandboxPki {
  readonly root: { readonly certificatePem: string; readonly certificateFile: string };
  readonly bank: Participant;
  readonly tpp: TppParticipant;
}

/**
 * Opens the sandbox's PKI in a folder, and makes it there on the first call.
 *
 * Later calls give the same keys, `kid`s and certificates. A leaf certificate that expires within 7 days is
 * renewed for the same key; when the root does, everything is made again, keys included. A crash at any
 * point leaves the former PKI, the new one, or none.
 *
 * Of several processes that open a new folder at once, all get the PKI of the first. Does not lock beyond that:
 * when several find certificates due at once, the last one's are kept. Does not revoke, and does not encrypt the
 * keys: they are the sandbox's own, readable by their owner alone (0600, in a folder made with 0700).
 *
 * @param options.folder Made where it is missing, with those above it.
 * @param options.nowMs Milliseconds since 1970.
 * @throws StateFolderError when the folder cannot be written or read, or what it holds is damaged.
 */
export async function openPki(options: { folder: string; nowMs: number }): Promise<SandboxPki> {
  const folder = path.resolve(options.folder);
  await makeStateFolder(folder);
  const kept = await readKeptPki(folder);
  const pki = await keep(folder, kept, await bringUpToDate(kept, options.nowMs));
  // Also when nothing changed: a crash may have come between the last two steps.
  await writePemFiles(folder, pki);
  return present(folder, pki);
}

async function keep(folder: string, kept: KeptPki | undefined, pki: KeptPki): Promise<KeptPki> {
  if (kept === undefined) return createKeptPki(folder, pki);
  if (pki !== kept) await writeKeptPki(folder, pki);
  return pki;
}

/** The kept PKI itself, when nothing is due. */
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

function isDue({ certificatePem }: KeyedCertificate, nowMs: number): boolean {
  return expiresAtMs(certificatePem) - nowMs < RENEWAL_MS;
}

function present(folder: string, pki: KeptPki): SandboxPki {
  return {
    root: { certificatePem: pki.root.certificatePem, certificateFile: path.join(folder, 'root.pem') },
    bank: presentParticipant(folder, pki, 'bank'),
    tpp: { ...presentParticipant(folder, pki, 'tpp'), softwareStatementId: TPP_SOFTWARE_STATEMENT_ID },
  };
}

function presentParticipant(folder: string, pki: KeptPki, party: 'bank' | 'tpp'): Participant {
  const files = (name: LeafName): CertificateFiles => ({
    ...pki.leaves[name],
    certificateFile: path.join(folder, `${name}.pem`),
    keyFile: path.join(folder, `${name}.key`),
  });
  const transport = files(`${party}-transport`);
  const signing = files(`${party}-signing`);
  const publicJwk = publicSigningJwk(signing.keyPem);
  return {
    organisationId: IDENTITIES[party].organisationId,
    transport: {
      ...transport,
      subjectDn: formatDistinguishedName(subjectOf(transport.certificatePem)),
      thumbprintS256: createHash('sha256')
        .update(new X509Certificate(transport.certificatePem).raw)
        .digest('base64url'),
    },
    signing: { ...signing, kid: publicJwk.kid, publicJwk },
  };
}
