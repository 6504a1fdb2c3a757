import type { Clock } from '../base/clock.ts';
import { leavesOf } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { certificatesIn, readConfiguredFile } from './files.ts';
import { type PspStatements, pspStatementsOf } from './psp-certificate.ts';

/** A certificate in a file that the configuration names. */
export interface ConfiguredCertificate {
  /** The setting that names the file. */
  readonly setting: string;
  /** Attributes separated by commas. */
  readonly subject: string;
  readonly notAfterMs: number;
  /** SHA-256, hexadecimal, without colons. */
  readonly fingerprint: string;
  /** Undefined: it is not that of a payment service provider. */
  readonly psp?: PspStatements | undefined;
}

const CERTIFICATE_SETTING = /(?:certificateFile|[cC]aFile)$/;

/** Whether a setting names roots, rather than a certificate of our own. */
export function isOfRoots(setting: string): boolean {
  return /[cC]aFile$/.test(setting);
}

/** Every certificate in the files that the configuration names, as they are now. A file that cannot be read has none. */
export function configuredCertificates(config: Config): readonly ConfiguredCertificate[] {
  return leavesOf(config).flatMap(({ setting, value }) =>
    CERTIFICATE_SETTING.test(setting) && typeof value === 'string' ? certificatesOf(setting, value) : [],
  );
}

const READ_EVERY_MS = 60_000;

/**
 * {@link configuredCertificates}, read again when the last reading is a minute old. For whoever asks often: reading files and
 * parsing certificates stops everything else for that long.
 */
export function createCertificateReader(
  config: Config,
  clock: Pick<Clock, 'monotonicMs'>,
): () => readonly ConfiguredCertificate[] {
  let last: { readonly atMs: number; readonly found: readonly ConfiguredCertificate[] } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (last === undefined || nowMs - last.atMs >= READ_EVERY_MS) {
      last = { atMs: nowMs, found: configuredCertificates(config) };
    }
    return last.found;
  };
}

function certificatesOf(setting: string, file: string): readonly ConfiguredCertificate[] {
  try {
    return certificatesIn(readConfiguredFile(setting, file)).map((certificate) => ({
      setting,
      subject: certificate.subject.replaceAll('\n', ', '),
      notAfterMs: certificate.validToDate.getTime(),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      psp: pspStatementsOf(certificate),
    }));
  } catch {
    return [];
  }
}

/**
 * When the first certificate of each setting expires. Of roots, those that expired are left out while another one in the file
 * is valid: files keep old roots beside new ones. Pure.
 */
export function firstExpiriesMs(
  certificates: readonly ConfiguredCertificate[],
  nowMs: number,
): ReadonlyMap<string, number> {
  const bySetting = Map.groupBy(certificates, ({ setting }) => setting);
  return new Map(
    [...bySetting].map(([setting, found]) => {
      const all = found.map(({ notAfterMs }) => notAfterMs);
      const valid = all.filter((atMs) => atMs > nowMs);
      return [setting, Math.min(...(isOfRoots(setting) && valid.length > 0 ? valid : all))];
    }),
  );
}
