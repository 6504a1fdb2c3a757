import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { certificatesIn, readCertificates, readRevocationLists, readTlsIdentity } from '../../trust/files.ts';
import { formatPsp, pspStatementsOf } from '../../trust/psp-certificate.ts';
import { nextUpdateMsOf } from '../../trust/x509.ts';
import { type CheckName, type Finding, fault, faultFrom, formatDay, type Inspection, ok, warning } from './finding.ts';
import { filesOf, isReadable, type NamedFile, sectionsOf, textOf } from './settings.ts';

const DAY_MS = 86_400_000;
/** A certificate that expires within this time is reported. */
const RENEW_DAYS = 30;
// RFC 5280 section 4.2.1.12.
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ROOT_NAMES = new Set(['caFile', 'clientCaFile']);

/** A certificate of this service with its key. */
interface Identity {
  /** Such as `api.tls`. */
  readonly section: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Checks the certificates that this service presents: key, chain, validity, usage, and the name of the public host. */
export function checkCertificates(inspection: Inspection): readonly Finding[] {
  const { config } = inspection;
  const identities = sectionsOf(config).flatMap(({ path, settings }): Identity[] => {
    const certificateFile = textOf(settings['certificateFile']);
    const keyFile = textOf(settings['keyFile']);
    return certificateFile === undefined || keyFile === undefined ? [] : [{ section: path, certificateFile, keyFile }];
  });
  const readable = identities.filter((each) => isReadable(each.certificateFile) && isReadable(each.keyFile));
  return [...readable.flatMap((identity) => checkIdentity(identity, inspection)), ...checkPublicUrl(inspection)];
}

/** Checks that trusted roots and revocation lists can be read and are valid now. */
export function checkRoots({ config, clock }: Inspection): readonly Finding[] {
  const files = filesOf(config).filter(({ name, file }) => ROOT_NAMES.has(name) && isReadable(file));
  const lists = filesOf(config).filter(({ name, file }) => name === 'clientCrlFile' && isReadable(file));
  const findings = files.flatMap((named) => checkRootFile(named, clock.nowMs()));
  findings.push(...lists.flatMap((named) => checkListFile(named, clock.nowMs())));
  if (findings.length > 0 || files.length === 0) return findings;
  return [ok('roots', `The roots in ${files.map(({ setting }) => `"${setting}"`).join(', ')} are valid.`)];
}

function checkRootFile({ setting, file }: NamedFile, nowMs: number): readonly Finding[] {
  try {
    const roots = certificatesIn(readCertificates(setting, file));
    const remedy = `Put its replacement into ${file}, and ${howToApply(setting)}.`;
    const named = (root: X509Certificate) => `The root "${nameOf(root)}" of "${setting}"`;
    return roots.flatMap((root) => checkValidity('roots', root, { what: named(root), remedy, nowMs }));
  } catch (error) {
    return [faultFrom('roots', error, `Put the root certificates into ${file} in PEM format.`)];
  }
}

/** An outdated list locks out every client whose certificate its authority issued. */
function checkListFile({ setting, file }: NamedFile, nowMs: number): readonly Finding[] {
  const remedy = `Fetch the current list, replace ${file}, and send the service SIGHUP.`;
  try {
    return readRevocationLists(setting, file).flatMap((list): Finding[] => {
      const nextUpdateMs = nextUpdateMsOf(list) ?? Number.POSITIVE_INFINITY;
      if (nextUpdateMs > nowMs + DAY_MS) return [];
      const what = `A revocation list of "${setting}"`;
      if (nextUpdateMs > nowMs)
        return [warning('roots', `${what} becomes outdated within a day (nextUpdate).`, remedy)];
      return [
        fault(
          'roots',
          `${what} is outdated (nextUpdate), so every client certificate of its authority is rejected.`,
          remedy,
        ),
      ];
    });
  } catch (error) {
    return [faultFrom('roots', error, `Put the revocation lists into ${file} in PEM format.`)];
  }
}

function checkIdentity(identity: Identity, { clock }: Inspection): readonly Finding[] {
  const { section, certificateFile } = identity;
  const mismatch = checkKeyMatches(identity);
  if (mismatch !== undefined) return [mismatch];
  try {
    readTlsIdentity(section, identity);
  } catch (error) {
    return [
      faultFrom('certificates', error, 'Provide a certificate chain and its unencrypted private key in PEM format.'),
    ];
  }
  const chain = certificatesIn(readFileSync(certificateFile, 'utf8'));
  const nowMs = clock.nowMs();
  const remedy = `Renew it, replace ${certificateFile}, and ${howToApply(section)}.`;
  const findings = chain.flatMap((certificate, at) => {
    const what = `The ${at === 0 ? 'certificate' : `intermediate "${nameOf(certificate)}"`} of "${section}"`;
    return checkValidity('certificates', certificate, { what, remedy, nowMs });
  });
  findings.push(...checkChain(identity, chain), ...checkUsage(identity, chain[0]));
  const [leaf] = chain;
  if (findings.length > 0 || leaf === undefined) return findings;
  return [
    ok(
      'certificates',
      `The certificate of "${section}"${kindOf(leaf)} matches its key and is valid until ${formatDay(leaf.validToDate)}.`,
    ),
  ];
}

/** Such as `, an OBWAC of PSDGB-FCA-123456,`. */
function kindOf(leaf: X509Certificate): string {
  const psp = pspStatementsOf(leaf);
  return psp === undefined ? '' : `, ${psp.kind.startsWith('O') ? 'an' : 'a'} ${formatPsp(psp)},`;
}

/** How a running service applies a new file. */
function howToApply(setting: string): string {
  return /^(?:api|operator)\.tls\b/.test(setting) ? 'send the service SIGHUP' : 'restart the service';
}

/** Reports a certificate and a key that are valid but do not belong together. */
function checkKeyMatches({ section, certificateFile, keyFile }: Identity): Finding | undefined {
  try {
    const certificate = new X509Certificate(readFileSync(certificateFile));
    if (certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))) return undefined;
  } catch {
    // A file that cannot be parsed is reported with the message of the service.
    return undefined;
  }
  const what = `The key in ${keyFile} does not belong to the certificate in ${certificateFile} ("${section}").`;
  const remedy = `Set "${section}.keyFile" to the key for which the certificate was issued, and put the server certificate first in its file.`;
  return fault('certificates', what, remedy);
}

function checkValidity(
  check: CheckName,
  certificate: X509Certificate,
  { what, remedy, nowMs }: { what: string; remedy: string; nowMs: number },
): readonly Finding[] {
  const { validFromDate, validToDate } = certificate;
  if (validToDate.getTime() <= nowMs) return [fault(check, `${what} expired on ${formatDay(validToDate)}.`, remedy)];
  if (validFromDate.getTime() > nowMs) {
    const untilThen = 'Check the clock of this machine, or keep the previous certificate until then.';
    return [fault(check, `${what} is not valid before ${validFromDate.toISOString()}.`, untilThen)];
  }
  const days = Math.floor((validToDate.getTime() - nowMs) / DAY_MS);
  if (days >= RENEW_DAYS) return [];
  return [warning(check, `${what} expires on ${formatDay(validToDate)}, in ${days} days.`, remedy)];
}

/** Checks that each certificate is issued by the next one, as clients expect (RFC 8446 section 4.4.2). */
function checkChain({ section, certificateFile }: Identity, chain: readonly X509Certificate[]): readonly Finding[] {
  const broken = chain.find((certificate, at) => {
    const next = chain[at + 1];
    return next !== undefined && !(certificate.checkIssued(next) && certificate.verify(next.publicKey));
  });
  if (broken === undefined) return [];
  const what = `In the chain of "${section}" the certificate "${nameOf(broken)}" is followed by one that did not issue it.`;
  const remedy = `Order the certificates in ${certificateFile}: first the server certificate, then the one that issued it, and so on.`;
  return [fault('certificates', what, remedy)];
}

function checkUsage({ section }: Identity, leaf: X509Certificate | undefined): readonly Finding[] {
  const usages: readonly string[] | undefined = leaf?.keyUsage;
  const isServer = section.endsWith('.tls');
  if (usages === undefined || usages.includes(isServer ? SERVER_AUTH : CLIENT_AUTH)) return [];
  const role = isServer ? 'server' : 'client';
  const what = `The certificate of "${section}" may not be used for TLS as a ${role} (extended key usage).`;
  return [fault('certificates', what, `Get a certificate that is issued for ${role} authentication.`)];
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

function checkPublicUrl({ config: { api } }: Inspection): readonly Finding[] {
  if (api.publicUrl === undefined) {
    if (LOOPBACK.test(api.host)) return [];
    const what = '"api.publicUrl" is not set, so Links.Self in answers to TPPs refers to localhost.';
    return [warning('certificates', what, 'Set "api.publicUrl" to the URL at which TPPs reach the listener.')];
  }
  if (api.tls === undefined || !isReadable(api.tls.certificateFile)) return [];
  const host = new URL(api.publicUrl).hostname.replace(/^\[|\]$/g, '');
  const [leaf] = leafOf(api.tls.certificateFile);
  if (leaf === undefined) return [];
  if ((isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined) return [];
  const names = leaf.subjectAltName ?? 'no names';
  const what = `The certificate of "api.tls" is not valid for ${host}, the host of "api.publicUrl": it contains ${names}.`;
  return [fault('certificates', what, `Get a certificate for ${host}, or correct "api.publicUrl".`)];
}

function leafOf(file: string): readonly X509Certificate[] {
  try {
    return certificatesIn(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
}

/** The common name, or the whole subject on one line. */
function nameOf({ subject }: X509Certificate): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ');
}
