/**
 * The QCStatements extension of a PSD2 certificate (RFC 3739 section 3.2.6, ETSI EN 319 412-5, ETSI TS 119 495 section
 * 5.1).
 *
 * It states the kind of certificate and the payment service roles of its holder. QcCompliance is omitted on purpose:
 * like OBWAC and OBSeal, these are not qualified certificates.
 */

const QC_TYPE = '0.4.0.1862.1.6';
const QC_TYPE_OF = { transport: '0.4.0.1862.1.6.3', signing: '0.4.0.1862.1.6.2' } as const;
const PSD2 = '0.4.0.19495.2';
const ROLE_OID = {
  PSP_AS: '0.4.0.19495.1.1',
  PSP_PI: '0.4.0.19495.1.2',
  PSP_AI: '0.4.0.19495.1.3',
  PSP_IC: '0.4.0.19495.1.4',
} as const;
const COMPETENT_AUTHORITY = { name: 'Financial Conduct Authority', id: 'GB-FCA' } as const;

/** Object identifier of the extension, id-pe-qcStatements. */
export const QC_STATEMENTS_OID = '1.3.6.1.5.5.7.1.3';

/**
 * Role of a payment service provider: account servicing, payment initiation, account information, issuing of card-based
 * instruments.
 */
export type PspRole = keyof typeof ROLE_OID;

/**
 * The value of the extension in DER: QcType (web for transport, eseal for signing) and the PSD2 statement with the
 * roles.
 */
export function qcStatementsDer(purpose: 'transport' | 'signing', roles: readonly PspRole[]): Buffer<ArrayBuffer> {
  const rolesOfPsp = sequence(...roles.map((role) => sequence(objectIdentifier(ROLE_OID[role]), utf8String(role))));
  return sequence(
    sequence(objectIdentifier(QC_TYPE), sequence(objectIdentifier(QC_TYPE_OF[purpose]))),
    sequence(
      objectIdentifier(PSD2),
      sequence(rolesOfPsp, utf8String(COMPETENT_AUTHORITY.name), utf8String(COMPETENT_AUTHORITY.id)),
    ),
  );
}

function sequence(...members: readonly Buffer[]): Buffer<ArrayBuffer> {
  return element(0x30, Buffer.concat(members));
}

function utf8String(text: string): Buffer {
  return element(0x0c, Buffer.from(text, 'utf8'));
}

/**
 * X.690 section 8.19: the first two arcs share an octet; every other arc is in base 128 with the high bit set on all
 * octets but the last.
 */
function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...others.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift((rest % 128) + 128);
  return octets;
}

/** X.690 section 8.1.3; lengths of two octets suffice for this extension. */
function element(tag: number, content: Buffer): Buffer<ArrayBuffer> {
  const { length } = content;
  if (length > 0xffff) throw new RangeError(`DER element too long: ${length} octets`);
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const lengthOctets = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthOctets]), content]);
}
