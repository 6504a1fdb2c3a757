import type { Exchange, UnreachableClass } from '../../packages/service/test/support/parts.ts';
import type { Chance } from './chance.ts';

/** What a callback URL may do, as the bank's HTTP client sees it. */
export const BEHAVIOURS = [
  ...['healthy', 'slow', 'hang', 'drip', 'endless', 'compressed', 'reset', 'refuse', 'dns', 'tls', 'malformed'],
  ...['failing', 'busy', 'gone', 'flapping', 'lying', 'silent', 'echo-wrong', 'answer-lost', 'wavering'],
] as const satisfies readonly [string, ...string[]];

export type Behaviour = string;

/** What becomes of one POST. */
export interface Plan {
  /** Time until the receiver has it; undefined: it never does. */
  readonly arrivesMs: number | undefined;
  /** The receiver has it for good: it answers 202, whether or not that answer comes through. */
  readonly isTaken: boolean;
  /** Time until the bank knows; undefined: it never does, but for its own deadline. */
  readonly answersMs: number | undefined;
  readonly exchange: Exchange;
  /** What the TPP asked for by Retry-After: the shortest and the longest wait that this may mean. */
  readonly asked?: { readonly minMs: number; readonly maxMs: number };
}

interface Circumstances {
  readonly chance: Chance;
  readonly interactionId: string;
  readonly timeoutMs: number;
  /** Time of day of the instance. */
  readonly nowMs: number;
}

export function planOf(behaviour: Behaviour, circumstances: Circumstances): Plan {
  const { chance, timeoutMs } = circumstances;
  const arrivesMs = chance.between(1, 20);
  const answersMs = arrivesMs + chance.between(1, 20);
  const taken = (echo: string | undefined, afterMs: number): Plan => ({
    ...{ arrivesMs, isTaken: true, answersMs: afterMs },
    exchange: answered(202, echo === undefined ? {} : { 'x-fapi-interaction-id': echo }),
  });
  const unreachable = (errorClass: UnreachableClass, hasArrived: boolean): Plan => ({
    ...{ arrivesMs: hasArrived ? arrivesMs : undefined, isTaken: false, answersMs },
    exchange: { kind: 'unreachable', errorClass, detail: 'simulated' },
  });
  const refused = (status: number): Plan => ({
    ...{ arrivesMs, isTaken: false, answersMs, exchange: answered(status, {}) },
  });
  const { interactionId } = circumstances;
  switch (behaviour) {
    case 'healthy':
      return taken(interactionId, answersMs);
    case 'slow':
      return taken(interactionId, chance.between(0.2, 1.3) * timeoutMs);
    // A body that never ends is cut off, or drips until the deadline: the status counts all the same.
    case 'endless':
    case 'compressed':
      return taken(interactionId, answersMs + chance.between(0, 200));
    case 'drip':
      return taken(interactionId, timeoutMs * (chance.happens(0.5) ? 0.99 : 2));
    case 'hang':
      return { ...taken(interactionId, 0), isTaken: false, answersMs: undefined };
    case 'reset':
      return unreachable('reset', chance.happens(0.5));
    case 'refuse':
      return unreachable('connect', false);
    case 'dns':
      return unreachable('dns', false);
    case 'tls':
      return unreachable('tls', false);
    case 'malformed':
      return unreachable('malformed', true);
    case 'failing':
      return refused(chance.pick([500, 502, 400, 401, 404]));
    case 'busy':
      return busy({ ...refused(0) }, circumstances);
    case 'gone':
      return refused(410);
    case 'flapping':
      return planOf(chance.pick(['healthy', 'failing', 'hang', 'reset', 'busy']), circumstances);
    // Says at once that it is gone, or that all is well, and what it says late is out of date by then.
    case 'wavering':
      if (chance.happens(0.4))
        return taken(interactionId, chance.happens(0.5) ? answersMs : chance.between(0, timeoutMs));
      return { ...refused(410), answersMs: chance.happens(0.4) ? answersMs : chance.between(0, 0.95) * timeoutMs };
    case 'lying':
      return refused(chance.pick([200, 201, 204, 302, 307]));
    case 'silent':
      return taken(undefined, answersMs);
    case 'echo-wrong':
      return taken('something else', answersMs);
    case 'answer-lost':
      if (chance.happens(0.5)) return { ...taken(interactionId, 0), answersMs: undefined };
      return { ...unreachable('reset', true), isTaken: true };
    default:
      throw new Error(`no such behaviour: ${behaviour}`);
  }
}

function busy(plan: Plan, { chance, nowMs }: Circumstances): Plan {
  const seconds = chance.pick([0, 1, 7, 3600, 999_999_999]);
  const [header, minMs, maxMs] = chance.pick<readonly [string, number, number]>([
    [String(seconds), seconds * 1000, seconds * 1000],
    ...formsOf(nowMs + 5000).map((form) => [form, 3000, 5000] as const),
    [new Date(nowMs - 86_400_000).toUTCString(), 0, 0],
    ['soon', 0, 0],
    ['-5', 0, 0],
    ['1.5', 0, 0],
    // Longer than any policy waits.
    ['99999999999999999999', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ]);
  const exchange = answered(chance.pick([429, 503]), { 'retry-after': header });
  return { ...plan, exchange, asked: { minMs, maxMs } };
}

/** An HTTP date in the form of today, and in the two obsolete ones that must be understood (RFC 9110, section 5.6.7). */
function formsOf(atMs: number): string[] {
  const date = new Date(atMs);
  const [day = '', dayOfMonth = '', month = '', year = '', time = ''] = date.toUTCString().split(/,? /);
  const weekday = date.toLocaleDateString('en-GB', { weekday: 'long', timeZone: 'UTC' });
  return [
    date.toUTCString(),
    `${weekday}, ${dayOfMonth}-${month}-${year.slice(2)} ${time} GMT`,
    `${day} ${month} ${String(Number(dayOfMonth)).padStart(2, ' ')} ${time} ${year}`,
  ];
}

function answered(status: number, headers: Readonly<Record<string, string>>): Exchange {
  return { kind: 'answered', status, header: (name) => headers[name] };
}
