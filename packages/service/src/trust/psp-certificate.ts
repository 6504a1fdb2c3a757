import { X509Certificate } from 'node:crypto';
import { textOf as anyTextOf, type DerElement, oidOf, sequenceOf } from './der.ts';
import { extensionOf, subjectDnOf, subjectTextsOf } from './x509.ts';

/**
 * The kinds of certificates of payment service providers: of the directory (OBWAC, OBSeal) or qualified under eIDAS (QWAC, QSeal); for
 * websites and transport, or for seals.
 */
export type PspCertificateKind = 'OBWAC' | 'OBSeal' | 'QWAC' | 'QSeal';

/** The statements of a certificate about a payment service provider. They are worth what its issuer is: nothing here verifies that. */
export interface PspStatements {
  readonly kind: PspCertificateKind;
  /** `organizationIdentifier` of the subject, such as `PSDGB-FCA-123456`. */
  readonly organisationIdentifier: string | undefined;
  /** PSP_AS, PSP_PI, PSP_AI, PSP_IC; others as the certificate names them. */
  readonly roles: readonly string[];
  /** The national competent authority, such as `GB-FCA`. */
  readonly authorityId: string | undefined;
  readonly authorityName: string | undefined;
}

/** A certificate as operators see it. */
export interface DescribedCertificate {
  /** RFC 4514. */
  readonly subject: string;
  readonly notAfterMs: number;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  /** Undefined: it is a certificate of another kind. */
  readonly psp: PspStatements | undefined;
}

const QC_STATEMENTS = '1.3.6.1.5.5.7.1.3';
const ORGANIZATION_IDENTIFIER = '2.5.4.97';
// ETSI EN 319 412-5 section 4.
const QC_COMPLIANCE = '0.4.0.1862.1.1';
const QC_TYPE = '0.4.0.1862.1.6';
const QC_TYPE_ESEAL = '0.4.0.1862.1.6.2';
const QC_TYPE_WEB = '0.4.0.1862.1.6.3';
// ETSI TS 119 495 section 5.1.
const PSD2 = '0.4.0.19495.2';
const ROLES: Readonly<Record<string, string>> = {
  '0.4.0.19495.1.1': 'PSP_AS',
  '0.4.0.19495.1.2': 'PSP_PI',
  '0.4.0.19495.1.3': 'PSP_AI',
  '0.4.0.19495.1.4': 'PSP_IC',
};
// RFC 5280 section 4.2.1.12.
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

// ETSI TS 119 495 section 5.2.
const TEXT_CHARS_MAX = 256;
const ROLES_MAX = 10;
const isShort = (text: string) => text.length <= TEXT_CHARS_MAX;

function textOf(element: DerElement): string | undefined {
  const text = anyTextOf(element);
  return text !== undefined && isShort(text) ? text : undefined;
}

/** Describes a certificate. Verifies nothing. @param der @returns undefined when the bytes are not a certificate */
export function describeCertificate(der: Uint8Array): DescribedCertificate | undefined {
  const subject = subjectDnOf(der);
  if (subject === undefined) return undefined;
  try {
    const certificate = new X509Certificate(der);
    return {
      subject,
      notAfterMs: certificate.validToDate.getTime(),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      psp: pspStatementsOf(certificate),
    };
  } catch {
    return undefined;
  }
}

/**
 * Reads the statements of a certificate about a payment service provider (ETSI EN 319 412-5, ETSI TS 119 495). A certificate that
 * claims to be qualified is a QWAC or QSeal; one with the statement about PSD2 alone is an OBWAC or OBSeal, as the Open Banking
 * Directory issues them.
 *
 * @returns undefined: it has no such statement
 */
export function pspStatementsOf(certificate: X509Certificate): PspStatements | undefined {
  const statements = new Map<string, DerElement | undefined>();
  for (const statement of sequenceOf(extensionOf(certificate.raw, QC_STATEMENTS)) ?? []) {
    const [id, information] = sequenceOf(statement) ?? [];
    const oid = id && oidOf(id);
    if (oid !== undefined) statements.set(oid, information);
  }
  const isQualified = statements.has(QC_COMPLIANCE);
  if (!isQualified && !statements.has(PSD2)) return undefined;
  const isSeal = isForSeals(statements.get(QC_TYPE), certificate);
  const [roles, name, id] = sequenceOf(statements.get(PSD2)) ?? [];
  const [qualified, other] = isSeal ? (['QSeal', 'OBSeal'] as const) : (['QWAC', 'OBWAC'] as const);
  return {
    kind: isQualified ? qualified : other,
    organisationIdentifier: subjectTextsOf(certificate.raw, ORGANIZATION_IDENTIFIER).find(isShort),
    roles: (sequenceOf(roles) ?? []).slice(0, ROLES_MAX).flatMap(roleOf),
    authorityId: id && textOf(id),
    authorityName: name && textOf(name),
  };
}

/** By its type, or its use where it has none. */
function isForSeals(type: DerElement | undefined, { keyUsage }: X509Certificate): boolean {
  const types = (sequenceOf(type) ?? []).map(oidOf);
  if (types.includes(QC_TYPE_WEB)) return false;
  if (types.includes(QC_TYPE_ESEAL)) return true;
  // Of Node.js: the extended key usage.
  const usages: readonly string[] = keyUsage ?? [];
  return !usages.includes(CLIENT_AUTH) && !usages.includes(SERVER_AUTH);
}

function roleOf(role: DerElement): readonly string[] {
  const [oid, name] = sequenceOf(role) ?? [];
  const known = ROLES[(oid && oidOf(oid)) ?? ''] ?? (name && textOf(name));
  return known === undefined ? [] : [known];
}

/** Such as `OBWAC of PSDGB-FCA-123456 (PSP_PI, PSP_AI)`. May hold text that others chose. */
export function formatPsp({ kind, organisationIdentifier, roles }: PspStatements): string {
  const of = organisationIdentifier === undefined ? '' : ` of ${organisationIdentifier}`;
  return `${kind}${of}${roles.length === 0 ? '' : ` (${roles.join(', ')})`}`;
}
