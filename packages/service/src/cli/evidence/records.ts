import type { VerifiedSet } from '@tidings/protocol';
import type { Evidence } from '../../operator/evidence.ts';
import type { Check } from './check.ts';

// Instances of the service may tell slightly different times, and a clock may be set back a little.
const CLOCKS_DIFFER_MS = 10_000;

type Attempt = Evidence['attempts'][number];

/** Times follow each other: published (which the SET says too), signed, sent, acknowledged, exported. */
export function checkTimes(evidence: Evidence, { claims, header }: VerifiedSet): Check {
  const { publishedAt, acknowledgedAt, exportedAt, attempts, errors } = evidence;
  if (Math.floor(Date.parse(publishedAt) / 1000) !== claims.iat) {
    return failed('times', `publishedAt (${publishedAt}) is not what the SET says (iat ${claims.iat})`);
  }
  const inOrder = [
    { what: 'publishedAt', at: publishedAt },
    ...attempts.map(({ startedAt }, at) => ({ what: `attempts[${at}].startedAt`, at: startedAt })),
    { what: 'exportedAt', at: exportedAt },
  ];
  const betweenThem = [
    { what: 'the signature', at: new Date(header.iatSeconds * 1000 + 999).toISOString() },
    ...errors.map(({ reportedAt }, at) => ({ what: `errors[${at}].reportedAt`, at: reportedAt })),
    ...(acknowledgedAt === undefined ? [] : [{ what: 'acknowledgedAt', at: acknowledgedAt }]),
  ];
  const [first, last] = [inOrder.slice(0, 1), inOrder.slice(-1)];
  const lines = [inOrder, ...betweenThem.map((each) => [...first, each, ...last])];
  for (const line of lines) {
    const wrong = line.find((each, at) => isBefore(each.at, line[at - 1]?.at));
    if (wrong !== undefined) return failed('times', `${wrong.what} (${wrong.at}) lies before what must come earlier`);
  }
  return {
    check: 'times',
    outcome: 'passed',
    detail: `published ${publishedAt}, as the SET says; the others in order`,
  };
}

function isBefore(time: string, earlier: string | undefined): boolean {
  return earlier !== undefined && Date.parse(time) < Date.parse(earlier) - CLOCKS_DIFFER_MS;
}

/** Each attempt says of itself what an attempt of its outcome has. */
export function checkAttempts({ attempts }: Evidence): Check {
  const at = attempts.findIndex((attempt) => !isWhole(attempt));
  if (at >= 0) return failed('attempts', `attempts[${at}] contradicts itself`);
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
