import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { freeBytesOf } from '../base/disk.ts';
import { systemRandom } from '../base/random.ts';
import { auditActorOf, forOperation } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';

/** Media type of a SQLite file. */
export const BACKUP_TYPE = 'application/vnd.sqlite3';

const BUSY_RETRY_SECONDS = 10;

/**
 * POST /operator/v1/backups: the store as one file. It is made beside the store, and taken away once it is open for sending:
 * what the API sends is nobody's file, and the caller says where it goes.
 */
export function registerBackupRoute(app: FastifyInstance, options: OperatorOptions): void {
  const { backUp, config, store, clock, random = systemRandom } = options;
  const closing = new AbortController();
  let isUnderWay = false;
  app.addHook('preClose', async () => closing.abort(new Problem(503, 'The service is stopping.')));
  app.post('/operator/v1/backups', forOperation('backUp'), async (request, reply) => {
    const { file } = config?.store ?? {};
    if (backUp === undefined || file === undefined) {
      const remedy = 'use pg_dump, or what your database is backed up with; see docs/guides/backup-and-restore.md';
      throw new Problem(501, `The store is not a file; ${remedy}.`);
    }
    if (isUnderWay) throw new Problem(429, 'Another backup is under way; wait for it.', {}, BUSY_RETRY_SECONDS);
    isUnderWay = true;
    try {
      await checkRoom(file, config?.publishing.diskFreeBytesMin ?? 0);
      const entry = { ...auditActorOf(request), action: 'backup', subject: 'store', detail: {} };
      await store.audit({ ...entry, atMs: clock.nowMs() });
      const copy = `${file}.backup-${random.uuid()}`;
      await backUp(copy, AbortSignal.any([closing.signal, hungUp(request)]));
      const handle = await openAlone(copy);
      const { size } = await handle.stat();
      request.log.info({ operator: request.operatorName, bytes: size }, 'store backed up');
      reply.header('content-type', BACKUP_TYPE).header('content-length', size);
      return handle.createReadStream();
    } finally {
      isUnderWay = false;
    }
  });
}

/** A backup must not be what closes publishing. */
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
