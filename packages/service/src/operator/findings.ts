import { type Static, Type } from 'typebox';
import type { OperatorContext } from './options.ts';
import { isoTime } from './request.ts';
import { ok, route } from './route.ts';

const closed = { additionalProperties: false };

const Finding = Type.Object(
  {
    check: Type.String({ description: 'As in "certificates" or "database"' }),
    severity: Type.Enum(['ok', 'warning', 'error']),
    what: Type.String({ description: 'The state, or the fault, in one sentence' }),
    remedy: Type.Optional(Type.String({ description: 'Present for warnings and errors' })),
  },
  closed,
);

/** Findings of an inspection of this installation. */
const Findings = Type.Object(
  {
    isInspected: Type.Boolean({ description: 'false: a program embeds the service, which cannot be inspected then' }),
    inspectedAt: Type.Optional(Type.String({ format: 'date-time' })),
    findings: Type.Array(Finding),
  },
  closed,
);
type Findings = Static<typeof Findings>;

// An inspection reads files and calls other hosts.
const FRESH_MS = 60_000;

/** GET /operator/v1/findings: what `tidings doctor` finds. */
export const findingsRoute = route({
  operationId: 'listFindings',
  method: 'get',
  path: '/operator/v1/findings',
  role: 'viewer',
  tag: 'Upkeep',
  summary: 'Inspect the installation of the instance that answers, as "tidings doctor" does; at most once a minute',
  response: ok('The findings', { Findings }),
  handler: (context) => {
    const look = freshly(context);
    return async (): Promise<Findings> => (await look?.()) ?? { isInspected: false, findings: [] };
  },
});

/** Callers within a minute share an inspection; one that failed is not kept. */
function freshly({ inspect, clock }: OperatorContext): (() => Promise<Findings>) | undefined {
  if (inspect === undefined) return undefined;
  let latest: { readonly atMs: number; readonly found: Promise<Findings> } | undefined;
  const run = async (): Promise<Findings> => {
    const inspectedAt = isoTime(clock.nowMs());
    return { isInspected: true, inspectedAt, findings: (await inspect()).map((each) => ({ ...each })) };
  };
  return async () => {
    const atMs = clock.monotonicMs();
    if (latest === undefined || atMs - latest.atMs >= FRESH_MS) latest = { atMs, found: run() };
    const { found } = latest;
    return found.catch((error: unknown) => {
      if (latest?.found === found) latest = undefined;
      throw error;
    });
  };
}
