import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openPki } from '@tidings/sandbox';
import { type AbuseCounts, type AbuseTarget, startAbuse } from './abuse.ts';
import type { BenchBank } from './bank.ts';
import { compareLedgers } from './ledgers.ts';
import { type BenchOptions, drain, loadFor, type Rig, startRig } from './rig.ts';
import { type RssSample, type RssVerdict, rssBytesOf, rssVerdict } from './rss.ts';

export interface SoakOptions extends Omit<BenchOptions, 'seconds'> {
  readonly seconds: number;
  /** Notifications published per second. */
  readonly perSecond: number;
  /** Maximum growth of the service's memory after the warm-up. */
  readonly slopeMaxBytesPerSecond: number;
}

/** Report of a soak. */
export interface SoakReport {
  readonly seconds: number;
  readonly perSecond: number;
  readonly rss: RssVerdict;
  /** About one sample a minute, or 20 in all. */
  readonly samples: readonly RssSample[];
  /** Outcomes of the abusive requests by kind. */
  readonly abuse: AbuseCounts;
  /** Good requests of TPPs, and those without a successful response. */
  readonly goodRequests: number;
  readonly goodRequestsFailed: number;
  readonly accepted: number;
  readonly lost: number;
  /** Violations found; empty when the soak passed. */
  readonly findings: readonly string[];
}

const SAMPLE_MS = 500;
const SHOWN = 20;
const BEAT_MS = 100;
const GOOD_PAUSE_MS = 100;

/**
 * Runs the service for a long time under good and abusive requests, and monitors its memory. Good requests must
 * succeed, all accepted notifications must be delivered, and no abusive request may get a success or a 5xx.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seconds, perSecond, slopeMaxBytesPerSecond, say } = options;
  const rig = await startRig(options);
  try {
    const abuse = startAbuse(await targetOf(rig.bank));
    const samples: RssSample[] = [];
    const good = { requests: 0, failed: 0 };
    const until = performance.now() + seconds * 1000;
    await loadFor(rig, { kind: 'pace', perSecond, everyMs: BEAT_MS }, seconds, async () => {
      await Promise.all([watch(rig, until, samples, say), behave(rig.bank, until, good)]);
    });
    abuse.stop();
    say('waiting for outstanding deliveries');
    await drain(rig);
    const { accepted, lost } = await compareLedgers(rig);
    const rss = rssVerdict(samples, slopeMaxBytesPerSecond);
    const { counts } = abuse;
    const every = Math.max(Math.floor(samples.length / SHOWN), 1);
    return {
      seconds,
      perSecond,
      rss,
      abuse: counts,
      goodRequests: good.requests,
      goodRequestsFailed: good.failed,
      samples: samples.filter((_, at) => at % every === 0),
      accepted,
      lost,
      findings: findingsOf(rss, counts, good, lost),
    };
  } finally {
    await rig.stop();
  }
}

/** The report as text. */
export function soakText({ rss, samples, abuse, findings, ...rest }: SoakReport): string {
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const kinds = Object.entries(abuse).map(([kind, { begun, came }]) => `  ${kind}: ${begun} ${JSON.stringify(came)}`);
  return [
    ...samples.map(
      ({ atSeconds, rssBytes }) => `${atSeconds.toFixed(0).padStart(6)} s  ${mib(rssBytes).padStart(7)} MiB`,
    ),
    `${rest.accepted} accepted, ${rest.lost} lost; ${rest.goodRequests} good requests, ${rest.goodRequestsFailed} failed; abuse:`,
    ...kinds,
    `troughs ${mib(rss.firstBytes)} to ${mib(rss.lastBytes)} MiB, peak ${mib(rss.peakBytes)} MiB, slope ` +
      `${(rss.slopeBytesPerSecond / 1024).toFixed(2)} KiB/s of ${(rss.slopeMaxBytesPerSecond / 1024).toFixed(2)} allowed`,
    ...(findings.length === 0 ? ['passed'] : ['FAILED', ...findings]),
    '',
  ].join('\n');
}

async function targetOf({ apiUrl, operatorUrl, pki, tpps }: BenchBank): Promise<AbuseTarget> {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-strange-'));
  const strange = (await openPki({ folder, nowMs: Date.now() })).tpp.transport;
  rmSync(folder, { recursive: true });
  return {
    apiPort: Number(new URL(apiUrl).port),
    operatorPort: Number(new URL(operatorUrl).port),
    caPem: pki.root.certificatePem,
    transport: pki.tpp.transport,
    accessToken: tpps[0]?.accessToken ?? '',
    strange,
  };
}

async function watch({ bank }: Rig, until: number, samples: RssSample[], say: (line: string) => void): Promise<void> {
  const began = performance.now();
  let reportedAtSeconds = 0;
  while (performance.now() < until) {
    const atSeconds = (performance.now() - began) / 1000;
    const rssBytes = rssBytesOf(bank.servicePid);
    samples.push({ atSeconds, rssBytes });
    if (atSeconds - reportedAtSeconds >= 60) {
      reportedAtSeconds = atSeconds;
      say(`${Math.round(atSeconds)} s: ${(rssBytes / 2 ** 20).toFixed(1)} MiB`);
    }
    await pause(SAMPLE_MS);
  }
}

/** A good TPP, which reads its registration and polls while another TPP's credentials are abused. */
async function behave(bank: BenchBank, until: number, good: { requests: number; failed: number }): Promise<void> {
  const tpp = bank.tpps.at(-1);
  if (tpp === undefined) throw new Error('there are no TPPs');
  const poll = JSON.stringify({ maxEvents: 10, returnImmediately: true });
  while (performance.now() < until) {
    const answers = [
      await bank.call(tpp, 'GET', '/event-subscriptions'),
      await bank.call(tpp, 'POST', '/events', poll),
    ];
    good.requests += answers.length;
    good.failed += answers.filter(({ status }) => status !== 200).length;
    await pause(GOOD_PAUSE_MS);
  }
}

/** The violations, one line each. @param good the good requests */
export function findingsOf(
  rss: Pick<RssVerdict, 'isFlat' | 'slopeBytesPerSecond'>,
  abuse: AbuseCounts,
  good: { readonly requests: number; readonly failed: number },
  lost: number,
): string[] {
  const wrong = Object.entries(abuse).flatMap(([kind, { came }]) =>
    Object.entries(came)
      .filter(([status]) => /^[25]\d\d$/.test(status))
      .map(([status, count]) => `${count} × "${kind}" got ${status}`),
  );
  const unsent = Object.entries(abuse).filter(([, { begun }]) => begun === 0);
  return [
    ...(rss.isFlat ? [] : [`memory grows by ${Math.round(rss.slopeBytesPerSecond)} bytes a second`]),
    ...wrong,
    ...unsent.map(([kind]) => `"${kind}" was never sent`),
    ...(good.failed > 0 ? [`${good.failed} of ${good.requests} good requests failed`] : []),
    ...(lost > 0 ? [`${lost} notifications were lost`] : []),
  ];
}
