import type { X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import type { Check, Outcome, Severity } from '../../model.ts';
import type { TppContext } from '../context.ts';
import { described } from '../endpoint.ts';
import { type About, checksOf, failed, isAcknowledged, passed, skipped } from '../judge.ts';
import { type Handshake, handshake } from '../raw.ts';
import { EN, rfc } from '../sources.ts';

const { check } = checksOf('TLS');

const SERVER_TLS = `${EN}, Security`;
const DAY_MS = 86_400_000;
const RSA_BITS_MIN = 2048;
const EC_BITS_MIN = 256;
const KEY_TOO_SMALL = /key too (?:weak|small)/i;
const NAME_WRONG = 'ERR_TLS_CERT_ALTNAME_INVALID';
const EXPIRED = /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/;
// Level 0 lets OpenSSL offer what it would not offer by itself.
const WEAK = '@SECLEVEL=0';

/** A handshake that a good endpoint must refuse. */
function refusesHandshake(severity: Severity, about: About, options: readonly ConnectionOptions[]): Check<TppContext> {
  return check(severity, about, async (context) => {
    const reasons: string[] = [];
    for (const each of options) {
      const result = await handshakeOf(context, each);
      if (result.kind === 'done') return failed('the handshake is refused', `${result.protocol} with ${result.cipher}`);
      // Without a certificate there is nothing to distrust: the other side has gone on all the same.
      if (result.kind === 'distrusted')
        return failed('the handshake is refused', `it went on until the certificate: ${result.why}`);
      if (result.kind === 'not-offered') reasons.push(result.why);
    }
    return reasons.length < options.length
      ? passed
      : skipped(`The OpenSSL of this Node.js cannot offer it: ${reasons[0]}.`);
  });
}

function accepts(severity: Severity, about: About, options: ConnectionOptions): Check<TppContext> {
  return check(severity, about, async (context) => {
    const result = await handshakeOf(context, options);
    return result.kind === 'done' ? passed : failed('a TLS connection', result.why);
  });
}

function certificateCheck(
  severity: Severity,
  about: About,
  judge: (certificate: X509Certificate, context: TppContext) => Outcome,
): Check<TppContext> {
  return check(severity, about, async (context) => {
    const result = await handshakeOf(context, {});
    // OpenSSL refuses such a key itself.
    if (result.kind === 'distrusted' && KEY_TOO_SMALL.test(result.why)) {
      return failed('a key of 2048 bits at least', result.why);
    }
    if (result.kind !== 'done')
      return skipped(`There is no TLS connection (${result.why}); see the other checks of TLS.`);
    return result.certificate === undefined ? failed('a certificate', 'none') : judge(result.certificate, context);
  });
}

/** Checks of the TLS connection and its certificate. */
export const TLS_CHECKS = [
  check(
    'must',
    {
      id: 'TPP-TLS-01',
      title: 'The callback URL speaks TLS 1.2 or 1.3',
      source: SERVER_TLS,
      remedy: 'Enable TLS 1.2 and 1.3.',
    },
    async (context) => {
      const result = await handshakeOf(context, { minVersion: 'TLSv1.2' });
      // A certificate that is not accepted is the matter of other checks.
      return result.kind === 'done' || result.kind === 'distrusted' ? passed : failed('a TLS connection', result.why);
    },
  ),
  accepts(
    'may',
    {
      id: 'TPP-TLS-02',
      title: 'The callback URL speaks TLS 1.3',
      source: rfc(9325, '3.1.1'),
      remedy: 'Enable TLS 1.3.',
    },
    { minVersion: 'TLSv1.3' },
  ),
  refusesHandshake(
    'must',
    {
      id: 'TPP-TLS-03',
      title: 'TLS 1.1 is refused',
      source: `${SERVER_TLS}; ${rfc(8996, '5')}`,
      remedy: 'Set the lowest version of TLS to 1.2, also at a load balancer.',
    },
    [{ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: `DEFAULT:${WEAK}` }],
  ),
  refusesHandshake(
    'must',
    {
      id: 'TPP-TLS-04',
      title: 'TLS 1.0 is refused',
      source: `${SERVER_TLS}; ${rfc(8996, '4')}`,
      remedy: 'Set the lowest version of TLS to 1.2, also at a load balancer.',
    },
    [{ minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: `DEFAULT:${WEAK}` }],
  ),
  refusesHandshake(
    'must',
    {
      id: 'TPP-TLS-05',
      title: 'Cipher suites without encryption, without authentication, or with broken ciphers are refused',
      source: rfc(9325, '4.1'),
      remedy: 'Use the default cipher suites of a current TLS library.',
    },
    ['eNULL', 'aNULL', 'RC4-SHA', 'DES-CBC3-SHA'].map((ciphers) => ({
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ciphers: `${ciphers}${WEAK}`,
    })),
  ),
  check(
    'must',
    {
      id: 'TPP-TLS-06',
      title: 'The certificate is from an authority that the bank trusts, with its intermediates',
      source: SERVER_TLS,
      rule: 'The bank verifies the certificate with its trust anchors. Where the server leaves out an intermediate certificate, browsers may find it, but other clients do not.',
      remedy: 'Send the whole chain but the root. For an authority of your own, name it in tls.caFile.',
    },
    async (context) => {
      const result = await handshakeOf(context, { checkServerIdentity: () => undefined });
      if (result.kind === 'distrusted' && !EXPIRED.test(result.code))
        return failed('a certificate that verifies', `${result.code}: ${result.why}`);
      return result.kind === 'refused' ? failed('a TLS connection', result.why) : passed;
    },
  ),
  check(
    'must',
    {
      id: 'TPP-TLS-07',
      title: 'The certificate is for the host of the callback URL',
      source: rfc(9525, '6'),
      remedy: 'Get a certificate with the host of the callback URL as a subject alternative name.',
    },
    async (context) => {
      const result = await handshakeOf(context, {});
      return result.kind === 'distrusted' && result.code === NAME_WRONG
        ? failed('a certificate for the host', result.why)
        : passed;
    },
  ),
  check(
    'must',
    {
      id: 'TPP-TLS-08',
      title: 'The certificate is valid now',
      source: rfc(5280, '4.1.2.5'),
      remedy: 'Renew the certificate, and the intermediates with it.',
    },
    async (context) => {
      const result = await handshakeOf(context, { checkServerIdentity: () => undefined });
      return result.kind === 'distrusted' && EXPIRED.test(result.code)
        ? failed('a certificate that is valid now', result.why)
        : passed;
    },
  ),
  certificateCheck(
    'may',
    {
      id: 'TPP-TLS-09',
      title: 'The certificate is valid for some time yet',
      source: rfc(5280, '4.1.2.5'),
      rule: 'When it expires, every delivery fails. The number of days is certificateDaysMin of the configuration.',
      remedy: 'Renew the certificate in time, by a machine.',
    },
    (certificate, { config, clock }) => {
      const days = Math.floor((certificate.validToDate.getTime() - clock.nowMs()) / DAY_MS);
      const least = config.certificateDaysMin;
      return days >= least ? passed : failed(`at least ${least} days`, `${days} days, until ${certificate.validTo}`);
    },
  ),
  certificateCheck(
    'should',
    {
      id: 'TPP-TLS-10',
      title: 'The key of the certificate is RSA with 2048 bits, or on a curve of 256, at least',
      source: rfc(9325, '4.5'),
      remedy: 'Make a new key, and have it certified.',
    },
    ({ publicKey }) => {
      const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
      const rsaBits = details?.modulusLength ?? 0;
      if (type === 'rsa' || type === 'rsa-pss') {
        return rsaBits >= RSA_BITS_MIN ? passed : failed('2048 bits at least', `RSA with ${rsaBits} bits`);
      }
      const curveBits = Number(/\d{3}/.exec(details?.namedCurve ?? '')?.[0] ?? EC_BITS_MIN);
      return curveBits >= EC_BITS_MIN
        ? passed
        : failed('a curve of 256 bits at least', details?.namedCurve ?? String(type));
    },
  ),
  check(
    'should',
    {
      id: 'TPP-TLS-11',
      title: 'No client certificate is demanded',
      source: SERVER_TLS,
      rule: 'Mutual TLS is for the APIs of the bank. At the callback URL the signature of the token identifies the bank.',
      remedy: 'Do not request a client certificate at the callback URL, or make it optional.',
    },
    async ({ endpoint, bank, config }) => {
      if (config.tls.cert === undefined)
        return skipped('The runner has no client certificate anyway: every other check shows it.');
      const answer = await endpoint.withoutClientCertificate().deliver({ token: bank.token() });
      return isAcknowledged(answer) ? passed : failed('202 without a client certificate', described(answer));
    },
  ),
];

/** A handshake, looked at and ended. */
type Seen =
  | Exclude<Handshake, { readonly kind: 'done' }>
  | {
      readonly kind: 'done';
      readonly protocol: string;
      readonly cipher: string;
      readonly certificate: X509Certificate | undefined;
    };

async function handshakeOf({ endpoint, clock, signal, config }: TppContext, options: ConnectionOptions): Promise<Seen> {
  const began = endpoint.begin();
  const result = await handshake(endpoint, options, { clock, signal, timeoutMs: config.timing.answerMs });
  const { minVersion, maxVersion, ciphers } = options;
  const offered = [
    ...(minVersion === undefined ? [] : [`from ${minVersion}`]),
    ...(maxVersion === undefined ? [] : [`to ${maxVersion}`]),
    ...(ciphers === undefined ? [] : [`ciphers ${ciphers}`]),
  ].join(', ');
  const request = { startLine: `TLS handshake with ${endpoint.url.host}`, headers: [], body: offered };
  if (result.kind !== 'done') {
    endpoint.record({ request, error: result.why }, began);
    return result;
  }
  const { socket } = result;
  const certificate = socket.getPeerX509Certificate();
  const seen = { protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().name, certificate };
  socket.destroy();
  const about =
    certificate && [certificate.subject, certificate.subjectAltName, `until ${certificate.validTo}`].join('\n');
  endpoint.record(
    { request, response: { startLine: `${seen.protocol} ${seen.cipher}`, headers: [], body: about ?? '' } },
    began,
  );
  return { kind: 'done', ...seen };
}
