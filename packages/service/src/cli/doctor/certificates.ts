import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { certificatesIn, readCertificates, readRevocationLists, readTlsIdentity } from '../../trust/files.ts';
import { nextUpdateMsOf } from '../../trust/x509.ts';
import { type CheckName, dayOf, type Finding, fault, type Inspection, ok, refusal, warning } from './finding.ts';
import { filesOf, isReadable, type NamedFile, sectionsOf, textOf } from './settings.ts';

const DAY_MS = 86_400_000;
/** A certificate that ends within this time is to be renewed now. */
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

/** Certificates that this service shows: they fit their keys, lead on, are valid now, and name the public host. */
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

/** Roots that others must lead to, and revocation lists: each can be read and is valid now. */
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
    const remedy = `Put the one that replaced it into ${file}, and ${takeUp(setting)}.`;
    const named = (root: X509Certificate) => `The root "${nameOf(root)}" of "${setting}"`;
    return roots.flatMap((root) => checkValidity('roots', root, { what: named(root), remedy, nowMs }));
  } catch (error) {
    return [refusal('roots', error, `Put the root certificates into ${file}, in PEM.`)];
  }
}

/** A list that is past locks out whoever its authority vouches for. */
function checkListFile({ setting, file }: NamedFile, nowMs: number): readonly Finding[] {
  const remedy = `Fetch the list again, replace ${file}, and send the service SIGHUP.`;
  try {
    return readRevocationLists(setting, file).flatMap((list): Finding[] => {
      const nextUpdateMs = nextUpdateMsOf(list) ?? Number.POSITIVE_INFINITY;
      if (nextUpdateMs > nowMs + DAY_MS) return [];
      const what = `A revocation list of "${setting}"`;
      if (nextUpdateMs > nowMs) return [warning('roots', `${what} is past its next update within a day.`, remedy)];
      return [fault('roots', `${what} is past its next update, so that nobody of its authority is let in.`, remedy)];
    });
  } catch (error) {
    return [refusal('roots', error, `Put the revocation lists into ${file}, in PEM.`)];
  }
}

function checkIdentity(identity: Identity, { clock }: Inspection): readonly Finding[] {
  const { section, certificateFile } = identity;
  const mixUp = mixUpIn(identity);
  if (mixUp !== undefined) return [mixUp];
  try {
    readTlsIdentity(section, identity);
  } catch (error) {
    return [refusal('certificates', error, 'Give a certificate chain and its private key in PEM, not encrypted.')];
  }
  const chain = certificatesIn(readFileSync(certificateFile, 'utf8'));
  const nowMs = clock.nowMs();
  const remedy = `Have it renewed, replace ${certificateFile}, and ${takeUp(section)}.`;
  const findings = chain.flatMap((certificate, at) => {
    const what = `The ${at === 0 ? 'certificate' : `intermediate "${nameOf(certificate)}"`} of "${section}"`;
    return checkValidity('certificates', certificate, { what, remedy, nowMs });
  });
  findings.push(...checkChain(identity, chain), ...checkUsage(identity, chain[0]));
  const [leaf] = chain;
  if (findings.length > 0 || leaf === undefined) return findings;
  return [
    ok('certificates', `The certificate of "${section}" fits its key and is valid until ${dayOf(leaf.validToDate)}.`),
  ];
}

/** How a service that runs gets to know of a new file. */
function takeUp(setting: string): string {
  return /^(?:api|operator)\.tls\b/.test(setting) ? 'send the service SIGHUP' : 'start the service anew';
}

/** Each by itself is good, and they do not belong together. */
function mixUpIn({ section, certificateFile, keyFile }: Identity): Finding | undefined {
  try {
    const certificate = new X509Certificate(readFileSync(certificateFile));
    if (certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))) return undefined;
  } catch {
    // What cannot be read is told as the service tells it.
    return undefined;
  }
  const what = `The key in ${keyFile} is not that of the certificate in ${certificateFile} ("${section}").`;
  const remedy = `Give "${section}.keyFile" the key that the certificate was requested with, and the certificate of the server first in its file.`;
  return fault('certificates', what, remedy);
}

function checkValidity(
  check: CheckName,
  certificate: X509Certificate,
  { what, remedy, nowMs }: { what: string; remedy: string; nowMs: number },
): readonly Finding[] {
  const { validFromDate, validToDate } = certificate;
  if (validToDate.getTime() <= nowMs) return [fault(check, `${what} expired on ${dayOf(validToDate)}.`, remedy)];
  if (validFromDate.getTime() > nowMs) {
    const untilThen = 'Check the clock of this machine, or go on with the one before it until then.';
    return [fault(check, `${what} is not valid before ${validFromDate.toISOString()}.`, untilThen)];
  }
  const days = Math.floor((validToDate.getTime() - nowMs) / DAY_MS);
  if (days >= RENEW_DAYS) return [];
  return [warning(check, `${what} expires on ${dayOf(validToDate)}, in ${days} days.`, remedy)];
}

/** Each certificate is issued by the one after it (RFC 8446 section 4.4.2), as clients want it. */
function checkChain({ section, certificateFile }: Identity, chain: readonly X509Certificate[]): readonly Finding[] {
  const broken = chain.find((certificate, at) => {
    const next = chain[at + 1];
    return next !== undefined && !(certificate.checkIssued(next) && certificate.verify(next.publicKey));
  });
  if (broken === undefined) return [];
  const what = `In the chain of "${section}" the certificate "${nameOf(broken)}" is followed by one that did not issue it.`;
  const remedy = `Put into ${certificateFile} the certificate of the server first, then the one that issued it, and so on.`;
  return [fault('certificates', what, remedy)];
}

function checkUsage({ section }: Identity, leaf: X509Certificate | undefined): readonly Finding[] {
  const usages: readonly string[] | undefined = leaf?.keyUsage;
  const isServer = section.endsWith('.tls');
  if (usages === undefined || usages.includes(isServer ? SERVER_AUTH : CLIENT_AUTH)) return [];
  const role = isServer ? 'server' : 'client';
  const what = `The certificate of "${section}" is not for TLS as a ${role} (extended key usage).`;
  return [fault('certificates', what, `Have one issued for ${role} authentication.`)];
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

function checkPublicUrl({ config: { api } }: Inspection): readonly Finding[] {
  if (api.publicUrl === undefined) {
    if (LOOPBACK.test(api.host)) return [];
    const what = '"api.publicUrl" is not set, so that Links.Self in answers to TPPs names localhost.';
    return [warning('certificates', what, 'Set "api.publicUrl" to the URL under which TPPs reach the listener.')];
  }
  if (api.tls === undefined || !isReadable(api.tls.certificateFile)) return [];
  const host = new URL(api.publicUrl).hostname.replace(/^\[|\]$/g, '');
  const [leaf] = leafOf(api.tls.certificateFile);
  if (leaf === undefined) return [];
  if ((isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined) return [];
  const names = leaf.subjectAltName ?? 'no name';
  const what = `The certificate of "api.tls" is not for ${host}, the host of "api.publicUrl": it has ${names}.`;
  return [fault('certificates', what, `Have one issued that has the name ${host}, or correct "api.publicUrl".`)];
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
