import type { VerifiedSet } from '@tidings/protocol';
import type { Evidence } from '../../operator/evidence.ts';
import type { Check } from './check.ts';

// Instances of the service may tell slightly different times, and a clock may be set back a little.
const CLOCKS_DIFFER_MS = 10_000;

type Attempt = Evidence['attempts'][number];

/** Something that happened. */
interface Moment {
  /** What it is, with its time as the file has it. */
  readonly what: string;
  readonly atMs: number;
}

/**
 * Times follow each other: published (which the SET says too), signed, sent, answered, acknowledged, exported.
 *
 * @param latestMs nothing can have been exported after that
 */
export function checkTimes(evidence: Evidence, { claims, header }: VerifiedSet, latestMs: number): Check {
  const { publishedAt, acknowledgedAt, exportedAt, attempts, errors } = evidence;
  if (Math.floor(Date.parse(publishedAt) / 1000) !== claims.iat) {
    return failed('times', `publishedAt (${publishedAt}) is not what the SET says (iat ${claims.iat})`);
  }
  if (Date.parse(exportedAt) > latestMs) return failed('times', `exportedAt (${exportedAt}) lies in the future`);
  const first = momentOf('publishedAt', publishedAt);
  const last = momentOf('exportedAt', exportedAt);
  const betweenThem = [
    { what: `the signature (iat ${header.iatSeconds})`, atMs: header.iatSeconds * 1000 + 999 },
    ...attempts.map((attempt, at) => ({ what: `the end of ${nameOf(attempt, at)}`, atMs: endMsOf(attempt) })),
    ...errors.map(({ reportedAt }, at) => momentOf(`errors[${at}].reportedAt`, reportedAt)),
    ...(acknowledgedAt === undefined ? [] : [momentOf('acknowledgedAt', acknowledgedAt)]),
  ];
  const begun = attempts.map((attempt, at) => ({ what: nameOf(attempt, at), atMs: Date.parse(attempt.startedAt) }));
  for (const line of [[first, ...begun, last], ...betweenThem.map((each) => [first, each, last])]) {
    const wrong = wrongIn(line);
    if (wrong !== undefined) return failed('times', wrong);
  }
  return {
    check: 'times',
    outcome: 'passed',
    detail: `published ${publishedAt}, as the SET says; the others in order`,
  };
}

function momentOf(what: string, at: string): Moment {
  return { what: `${what} (${at})`, atMs: Date.parse(at) };
}

/** An attempt as whoever compares the file with a log finds it. */
function nameOf({ startedAt, interactionId }: Attempt, at: number): string {
  return `attempts[${at}] (startedAt ${startedAt}, interactionId ${interactionId})`;
}

/** @returns what lies before which that must come earlier */
function wrongIn(line: readonly Moment[]): string | undefined {
  for (const [at, { what, atMs }] of line.entries()) {
    const earlier = line[at - 1];
    if (earlier !== undefined && atMs < earlier.atMs - CLOCKS_DIFFER_MS) return `${what} lies before ${earlier.what}`;
  }
  return undefined;
}

/** Each attempt says of itself what an attempt of its outcome has. */
export function checkAttempts({ attempts }: Evidence): Check {
  for (const [at, attempt] of attempts.entries()) {
    if (!isWhole(attempt)) return failed('attempts', `${nameOf(attempt, at)} contradicts itself`);
  }
  if (attempts.length === 0)
    return { check: 'attempts', outcome: 'none', detail: 'nothing was sent to a callback URL' };
  const count = attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`;
  return { check: 'attempts', outcome: 'passed', detail: `${count}, each with what belongs to it` };
}

function isWhole({ outcome, status, errorClass, ...attempt }: Attempt): boolean {
  const { interactionId, interactionIdEchoed, interactionIdReturned } = attempt;
  switch (outcome) {
    case 'acknowledged':
      return (
        status === 202 &&
        errorClass === undefined &&
        interactionIdEchoed !== undefined &&
        interactionIdEchoed === (interactionIdReturned === interactionId)
      );
    case 'refused':
      return status !== undefined && status !== 202 && errorClass === undefined;
    case 'unreachable':
      return status === undefined && errorClass !== undefined;
  }
}

/** An acknowledgement on push is backed by an attempt that was answered 202 then. */
export function checkAcknowledgement(evidence: Evidence): Check {
  const { state, acknowledgedAt, acknowledgedBy, attempts } = evidence;
  if (state !== 'acknowledged') {
    if (acknowledgedAt !== undefined || acknowledgedBy !== undefined) {
      return failed('acknowledgement', `the notification is ${state}, and yet it says when or how it was acknowledged`);
    }
    const detail = `the notification is ${state}: nothing here shows that the TPP acknowledged it`;
    return { check: 'acknowledgement', outcome: 'none', detail };
  }
  if (acknowledgedAt === undefined || acknowledgedBy === undefined) {
    return failed('acknowledgement', 'the notification is acknowledged, and it does not say when and how');
  }
  if (acknowledgedBy !== 'push') {
    const how = acknowledgedBy === 'poll' ? 'by ack in a poll' : 'by being offered in a poll';
    return acknowledged(`${acknowledgedAt}, ${how}: the bank's record, with no answer of the TPP in it`);
  }
  const backing = attempts.find(({ outcome, ...attempt }) => {
    return outcome === 'acknowledged' && Math.abs(endMsOf(attempt) - Date.parse(acknowledgedAt)) <= CLOCKS_DIFFER_MS;
  });
  if (backing === undefined) return failed('acknowledgement', `no attempt was answered 202 at ${acknowledgedAt}`);
  const { callbackUrl, interactionIdReturned = 'none' } = backing;
  return acknowledged(
    `${acknowledgedAt}, by 202 from ${callbackUrl}, interaction id returned: ${interactionIdReturned}`,
  );
}

function endMsOf({ startedAt, durationMs }: Pick<Attempt, 'startedAt' | 'durationMs'>): number {
  return Date.parse(startedAt) + durationMs;
}

function acknowledged(detail: string): Check {
  return { check: 'acknowledgement', outcome: 'passed', detail };
}

function failed(check: Check['check'], detail: string): Check {
  return { check, outcome: 'failed', detail };
}
