import { statfs } from 'node:fs/promises';

/** Bytes that this process may still write on the disk that a folder is on. Rejects where the system does not tell. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
