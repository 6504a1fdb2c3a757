import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { freeBytesOf } from '../base/disk.ts';
import { systemRandom } from '../base/random.ts';
import type { BackUp } from '../store/open-store.ts';
import { auditActorOf } from './access.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { answer, route } from './route.ts';

/** Media type of a SQLite file. */
const BACKUP_TYPE = 'application/vnd.sqlite3';

const BUSY_RETRY_SECONDS = 10;

/**
 * POST /operator/v1/backups: the store as one file. It is made beside the store, and taken away once it is open for sending:
 * what the API sends is nobody's file, and the caller says where it goes.
 */
export const backupRoute = route({
  operationId: 'backUp',
  method: 'post',
  path: '/operator/v1/backups',
  // The file holds all data.
  role: 'administrator',
  tag: 'Upkeep',
  summary: 'Back up the store while the service is running; 501 if the store is a PostgreSQL database',
  description:
    'The response is the backup: a SQLite file, consistent at one point in time. It is first written beside the store, so the disk needs free space for it. Only one backup runs at a time; others are answered 429.',
  response: answer({
    200: {
      description: 'The backup',
      content: { [BACKUP_TYPE]: { schema: { type: 'string', contentMediaType: BACKUP_TYPE } } },
    },
  }),
  refusals: [429, 501],
  handler: (context) => {
    const closing = new AbortController();
    let isUnderWay = false;
    context.onClosing(() => closing.abort(new Problem(503, 'The service is stopping.')));
    return async ({ request, reply }) => {
      const { backUp, config } = context;
      const { file } = config?.store ?? {};
      if (backUp === undefined || file === undefined) {
        const remedy = 'use pg_dump, or what your database is backed up with; see docs/guides/backup-and-restore.md';
        throw new Problem(501, `The store is not a file; ${remedy}.`);
      }
      if (isUnderWay) throw new Problem(429, 'Another backup is in progress; wait for it.', {}, BUSY_RETRY_SECONDS);
      isUnderWay = true;
      try {
        const handle = await copyOf(file, backUp, request, closing.signal, context);
        const { size } = await handle.stat();
        request.log.info({ operator: request.operatorName, bytes: size }, 'store backed up');
        reply.header('content-type', BACKUP_TYPE).header('content-length', size);
        return handle.createReadStream();
      } finally {
        isUnderWay = false;
      }
    };
  },
});

async function copyOf(
  file: string,
  backUp: BackUp,
  request: FastifyRequest,
  closing: AbortSignal,
  { config, store, clock, random = systemRandom }: OperatorContext,
): Promise<FileHandle> {
  await checkRoom(file, config?.publishing.diskFreeBytesMin ?? 0);
  const entry = { ...auditActorOf(request), action: 'backup', subject: 'store', detail: {} };
  await store.audit({ ...entry, atMs: clock.nowMs() });
  const copy = `${file}.backup-${random.uuid()}`;
  await backUp(copy, AbortSignal.any([closing, hungUp(request)]));
  return openAlone(copy);
}

/** A backup must not use up the free space that publishing needs. */
async function checkRoom(file: string, keptFreeBytes: number): Promise<void> {
  const [{ size }, log, free] = await Promise.all([
    stat(file),
    stat(`${file}-wal`).catch(() => ({ size: 0 })),
    freeBytesOf(dirname(file)),
  ]);
  const needed = size + log.size + keptFreeBytes;
  if (free >= needed) return;
  const why = `A copy of the store is made beside it first, which needs ${needed} bytes; ${free} are free`;
  throw new Problem(503, `${why}. Make room on that disk.`);
}

/** Making the copy takes its time, in which nothing moves on the connection; that is not what it is cut off for. */
function hungUp({ raw }: FastifyRequest): AbortSignal {
  const { socket } = raw;
  const idleMs = socket.timeout ?? 0;
  const gone = new AbortController();
  socket.setTimeout(0);
  raw.once('close', () => {
    socket.setTimeout(idleMs);
    gone.abort(new Problem(503, 'The caller hung up.'));
  });
  return gone.signal;
}

/** Whoever holds the handle is the last who can read the file. */
async function openAlone(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } finally {
    await rm(file);
  }
}
