import { Readable } from 'node:stream';
import { Type } from 'typebox';
import type { Log } from '../base/log.ts';
import type { ErasedNotification } from '../model/erased.ts';
import type { SearchFilter } from '../store/search.ts';
import type { Store } from '../store/store.ts';
import { auditActorOf, watchAccess } from './access.ts';
import { writeAuditEntry } from './audit.ts';
import { DataSubject, filterOf, subjectOf } from './erasures.ts';
import { writeAttempt, writeError, writeNotification } from './notifications.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { isoTime } from './request.ts';
import { answer, json, route } from './route.ts';
import { writeTpp } from './tpp-schemas.ts';

const NDJSON_TYPE = 'application/x-ndjson';
const EXPORT_FORMAT = 'tidings-data-export';
const EXPORT_VERSION = 1;
const PAGE = 100;
const BUSY_RETRY_SECONDS = 10;

const DataExportRequest = Type.Object(DataSubject, { additionalProperties: false });

/** POST /operator/v1/data-exports, one at a time. */
export const dataExportRoute = route({
  operationId: 'exportData',
  method: 'post',
  path: '/operator/v1/data-exports',
  // All that is kept of a TPP, or of what happened to somebody's account, at once.
  role: 'administrator',
  tag: 'Data protection',
  summary: 'Export the data of a TPP or about a resource, as JSON lines',
  description:
    'The first line says what was asked for. Each further line has a "kind": tpp, registration, notification, erased (what is kept of an erased notification), audit. TPP, registrations, erased notifications and audit are given only where "clientId" is given alone. The last line has the kind end, with the number of lines of each kind: without it the export was cut short. Only one export runs at a time; others are answered 429.',
  body: json({ DataExportRequest }, { example: { resourceId: 'aac-1234-007' } }),
  response: answer({ 200: { description: 'The lines', content: { [NDJSON_TYPE]: { schema: { type: 'string' } } } } }),
  refusals: [429],
  handler: (context) => {
    const { store, clock, access, onClosing } = context;
    let stream: Readable | undefined;
    // The listener waits for what is being answered; a slow reader could make that long.
    onClosing(() => stream?.destroy());
    return async ({ request, reply, body }) => {
      const filter = filterOf(body);
      if (stream !== undefined)
        throw new Problem(429, 'Another export is in progress; wait for it.', {}, BUSY_RETRY_SECONDS);
      const lines = Readable.from(linesOf(filter, context, request.log), { objectMode: false });
      stream = lines;
      const endWatch = watchAccess(request, access, () => lines.destroy());
      lines.once('close', () => {
        stream = undefined;
        endWatch();
      });
      try {
        const entry = { ...auditActorOf(request), atMs: clock.nowMs(), action: 'data-exported', ...subjectOf(filter) };
        await store.audit(entry);
      } catch (error) {
        lines.destroy();
        throw error;
      }
      request.log.info({ operator: request.operatorName, ...subjectOf(filter).detail }, 'data is exported');
      reply.header('content-type', NDJSON_TYPE);
      return lines;
    };
  },
});

type Line = { readonly kind: string } & Readonly<Record<string, unknown>>;

/** The lines of an export, some at a time: the next are read when these were taken. */
async function* linesOf(
  filter: SearchFilter,
  { store, clock }: Pick<OperatorContext, 'store' | 'clock'>,
  log: Pick<Log, 'error'>,
): AsyncGenerator<string> {
  const counts: Record<string, number> = {};
  try {
    const head = { kind: 'export', format: EXPORT_FORMAT, version: EXPORT_VERSION, exportedAt: isoTime(clock.nowMs()) };
    yield `${JSON.stringify({ ...head, ...filter })}\n`;
    for await (const lines of pagesOf(filter, store)) {
      for (const { kind } of lines) counts[kind] = (counts[kind] ?? 0) + 1;
      if (lines.length > 0) yield lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    }
    yield `${JSON.stringify({ kind: 'end', lines: counts })}\n`;
  } catch (error) {
    log.error({ err: error }, 'the export was cut short');
    throw error;
  }
}

async function* pagesOf(filter: SearchFilter, store: Store): AsyncGenerator<readonly Line[]> {
  const { clientId, resourceId } = filter;
  const isWholeTpp = clientId !== undefined && resourceId === undefined;
  if (isWholeTpp) {
    const tpp = await store.tpp(clientId);
    yield tpp === undefined ? [] : [{ kind: 'tpp', ...writeTpp(tpp) }];
    const registrations = await store.registrationsOf(clientId);
    yield registrations.map(({ kind: of, ...registration }) => ({ kind: 'registration', of, ...registration }));
  }
  yield* notificationsOf(filter, store);
  if (!isWholeTpp) return;
  yield* erasedOf(clientId, store);
  // What was done to the TPP, and what it did itself.
  yield* auditOf({ subject: clientId }, store);
  yield* auditOf({ actor: `tpp:${clientId}` }, store, clientId);
}

async function* notificationsOf(filter: SearchFilter, store: Store): AsyncGenerator<readonly Line[]> {
  let after: string | undefined;
  do {
    const page = await store.search({ filter, after, limit: PAGE });
    const lines: Line[] = [];
    for (const { jti } of page.notifications) {
      // Retention or an erasure may have taken it meanwhile.
      const notification = await store.notification(jti);
      if (notification !== undefined) lines.push({ kind: 'notification', ...writeNotification(notification) });
    }
    yield lines;
    after = page.next;
  } while (after !== undefined);
}

async function* erasedOf(clientId: string, store: Store): AsyncGenerator<readonly Line[]> {
  let page: readonly ErasedNotification[];
  let after = '';
  do {
    page = await store.erasedNotifications(clientId, after, PAGE);
    yield page.map(writeErased);
    after = page.at(-1)?.jti ?? '';
  } while (page.length === PAGE);
}

function writeErased(erased: ErasedNotification): Line {
  const { jti, eventId, clientId, state, acknowledgedBy, set, attempts, errors } = erased;
  return {
    ...{ kind: 'erased', jti, eventId, clientId, state, acknowledgedBy },
    publishedAt: isoTime(erased.publishedAtMs),
    endedAt: isoTime(erased.settledAtMs),
    erasedAt: isoTime(erased.erasedAtMs),
    setSha256: set?.sha256,
    attempts: attempts.map(writeAttempt),
    errors: errors.map(writeError),
  };
}

/** @param unlessAbout leaves out the entries about this subject */
async function* auditOf(
  filter: { readonly subject: string } | { readonly actor: string },
  store: Store,
  unlessAbout?: string,
): AsyncGenerator<readonly Line[]> {
  let before: string | undefined;
  do {
    const page = await store.auditEntries(before, PAGE, filter);
    const shown = page.filter(({ subject }) => subject !== unlessAbout);
    yield shown.map((entry) => ({ kind: 'audit', ...writeAuditEntry(entry) }));
    before = page.length === PAGE ? page.at(-1)?.id : undefined;
  } while (before !== undefined);
}
