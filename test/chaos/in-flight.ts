import type { Arrival } from './ledger.ts';

/** Something that may keep an acknowledgement from being recorded. Times are `performance.now()`. */
export interface Fault {
  readonly kind: string;
  /** The instance it struck; undefined: all, as when the database is away. */
  readonly instance: string | undefined;
  readonly fromMs: number;
  /** When it was over; for a kill, when the process was gone. */
  readonly toMs: number;
}

export interface Limits {
  /** What an instance may have claimed for one TPP: `delivery.queuePerTppMax` and `concurrencyPerTppMax`. */
  readonly perTppMax: number;
  /** `delivery.timeoutMs`. */
  readonly timeoutMs: number;
  /** How long the process that sent a POST got no CPU between two times; see {@link Delays}. */
  readonly delayMs: (process: string, fromMs: number, toMs: number) => number;
}

/** A POST of what had been acknowledged, and its predecessor. */
export interface Duplicate {
  /** The POST before it, which was answered 202. */
  readonly before: Arrival;
  readonly again: Arrival;
}

/** Duplicates, and what was in flight at the faults. */
export interface Duplicates {
  readonly duplicates: readonly Duplicate[];
  /** The same with those after which the bank may not have seen the answer. */
  readonly repeated: readonly Duplicate[];
  /** What was in flight at the faults, all faults together: duplicates may not exceed it. */
  readonly inFlight: number;
  /** Duplicates that no fault accounts for, each with its POSTs and the faults around them: must be empty. */
  readonly unexplained: readonly string[];
  /** Faults with more duplicates than were in flight at them: must be empty. */
  readonly exceeded: readonly string[];
  /** POSTs that were answered 202 where the bank must have seen the answer. */
  readonly acknowledged: number;
  /** POSTs that were answered 202 where it may not have: the connection was disturbed, or TPP or bank were slow. */
  readonly uncertain: number;
}

/** Time in which an answer gets from the TPP through the network to the bank and is recorded, on a busy machine. */
const RECORDED_WITHIN_MS = 800;
/** The part of it that the machine may keep from the bank: who got no CPU for longer may have read the answer too late. */
const DELAY_MAX_MS = 200;

/**
 * Counts duplicates and compares them with what was in flight.
 *
 * An **acknowledged** POST is one whose 202 was sent whole, and that the bank must have seen: the TPP answered within half
 * of the bank's deadline, the connection was not cut or stalled between RECORDED_WITHIN_MS before the answer and as long
 * after it, and the bank was not kept from its CPU meanwhile. (A later POST on the same connection shows that the answer was
 * read, whatever came after.)
 *
 * A **duplicate** is a POST whose predecessor, the POST of the same notification that arrived before it, was acknowledged.
 * (Where a duplicate is not acknowledged in its turn, the bank owes the notification again: what follows is no further one.)
 *
 * **In flight** at a fault are the notifications whose acknowledgement may not have been recorded because of it: those
 * that the instance (of a fault of the database: any instance) had POSTed and that were not answered when it began, or
 * were answered within RECORDED_WITHIN_MS before it, or arrived up to RECORDED_WITHIN_MS after it was over (what was on
 * its way, and what a frozen instance sends when it wakes). A notification is claimed until its attempt is recorded, so of
 * each instance and TPP they are no more than it may claim, and no more are counted. (An attempt gives its place to the next
 * before it is recorded: `concurrencyPerTppMax` bounds nothing here.) Clean stops leave nothing in flight.
 *
 * Each duplicate must be of a notification that was in flight at a fault that had begun before it; a fault accounts for
 * one duplicate of each notification, and for no more duplicates than were in flight at it.
 */
export function countDuplicates(arrivals: readonly Arrival[], faults: readonly Fault[], limits: Limits): Duplicates {
  const inFlight = faults.map((fault) => inFlightAt(fault, arrivals, limits));
  const duplicates: Duplicate[] = [];
  const explained = faults.map(() => 0);
  const used = new Set<string>();
  const unexplained: string[] = [];
  const repeated = repeatsOf(arrivals);
  for (const { before, again } of repeated.filter((pair) => wasSeen(pair.before, limits))) {
    const { jti, arrivedMs } = again;
    const at = faults.findLastIndex(
      ({ fromMs }, index) =>
        fromMs <= arrivedMs && (inFlight[index]?.jtis.has(jti) ?? false) && !used.has(`${index} ${jti}`),
    );
    if (at === -1) unexplained.push(describePosts(jti, arrivals, faults));
    else explained[at] = (explained[at] ?? 0) + 1;
    used.add(`${at} ${jti}`);
    duplicates.push({ before, again });
  }
  const answered = arrivals.filter(({ status }) => status === 202);
  const acknowledged = answered.filter((arrival) => wasSeen(arrival, limits)).length;
  return {
    ...{ duplicates, repeated },
    inFlight: inFlight.reduce((sum, { count }) => sum + count, 0),
    unexplained,
    exceeded: faults.flatMap(({ kind, instance }, index) => {
      const [duplicated, flying] = [explained[index] ?? 0, inFlight[index]?.count ?? 0];
      return duplicated > flying ? [`${kind} of ${instance ?? 'all'}: ${duplicated} duplicates of ${flying}`] : [];
    }),
    acknowledged,
    uncertain: answered.length - acknowledged,
  };
}

/** The POSTs of a notification and the faults around them, in milliseconds since the first of them, for whoever debugs. */
export function describePosts(jti: string, arrivals: readonly Arrival[], faults: readonly Fault[]): string {
  const posts = arrivals.filter((arrival) => arrival.jti === jti);
  const [first, last] = [posts[0]?.arrivedMs ?? 0, posts.at(-1)?.arrivedMs ?? 0];
  const since = (ms: number | undefined) => (ms === undefined ? '' : String(Math.round(ms - first)));
  const around = faults.filter(({ fromMs, toMs }) => toMs > first - 5000 && fromMs < last + 1000);
  return [
    jti,
    ...posts.map(
      ({ process, arrivedMs, endedMs, status, passage, nextOnPassageMs }) =>
        `${process} ${since(arrivedMs)}..${since(endedMs)} ${status ?? 'no answer'}, next there ${since(nextOnPassageMs)}, ` +
        `disturbed ${passage?.disturbances.map(({ fromMs, toMs }) => `${since(fromMs)}..${since(toMs)}`)}`,
    ),
    ...around.map(({ kind, instance, fromMs, toMs }) => `${kind} ${instance ?? ''} ${since(fromMs)}..${since(toMs)}`),
  ].join(' | ');
}

/** What was in flight at one fault; see {@link countDuplicates}. */
export function inFlightAt(
  fault: Fault,
  arrivals: readonly Arrival[],
  { perTppMax }: Pick<Limits, 'perTppMax'>,
): { readonly count: number; readonly jtis: ReadonlySet<string> } {
  const jtis = new Set<string>();
  const perTpp = new Map<string, Set<string>>();
  for (const { jti, clientId, instance, arrivedMs, endedMs = Number.POSITIVE_INFINITY } of arrivals) {
    if (fault.instance !== undefined && fault.instance !== instance) continue;
    if (arrivedMs > fault.toMs + RECORDED_WITHIN_MS || endedMs < fault.fromMs - RECORDED_WITHIN_MS) continue;
    jtis.add(jti);
    const lane = `${instance} ${clientId}`;
    perTpp.set(lane, (perTpp.get(lane) ?? new Set()).add(jti));
  }
  const count = [...perTpp.values()].reduce((sum, { size }) => sum + Math.min(size, perTppMax), 0);
  return { count, jtis };
}

/** Each POST whose predecessor was answered 202, with that. */
function repeatsOf(arrivals: readonly Arrival[]): Duplicate[] {
  const last = new Map<string, Arrival>();
  return arrivals.flatMap((again) => {
    const before = last.get(again.jti);
    last.set(again.jti, again);
    return before?.status === 202 ? [{ before, again }] : [];
  });
}

/** Whether it was answered 202 and the bank, if it ran, must have seen that. */
function wasSeen(arrival: Arrival, { timeoutMs, delayMs }: Limits): boolean {
  const { status, process, arrivedMs, endedMs, passage, nextOnPassageMs } = arrival;
  if (status !== 202 || endedMs === undefined || passage === undefined) return false;
  if (endedMs - arrivedMs > timeoutMs / 2) return false;
  if (delayMs(process, arrivedMs, endedMs + RECORDED_WITHIN_MS) > DELAY_MAX_MS) return false;
  return passage.disturbances.every(
    ({ fromMs, toMs }) =>
      arrivedMs > toMs + RECORDED_WITHIN_MS ||
      endedMs < fromMs - RECORDED_WITHIN_MS ||
      (nextOnPassageMs !== undefined && nextOnPassageMs < fromMs),
  );
}
