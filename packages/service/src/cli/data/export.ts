import { type FileHandle, rm } from 'node:fs/promises';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { print, printJson, printProgress } from '../../base/output.ts';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { CliError, EXIT_FAILED } from '../cli-error.ts';
import { createFile } from '../input.ts';
import type { OperatorCall } from '../operator-client.ts';
import { type CommonFlags, withOperatorClient } from '../operator-flags.ts';
import { formatBytes } from '../units.ts';

/** Whose data is meant, in the form of the operator API. */
type Subject = Pick<OperatorCall, 'body' | 'flagNames'>;

/** `tidings data export`. */
export async function exportData(file: string, subject: Subject, flags: CommonFlags): Promise<void> {
  const handle = await createFile(file);
  try {
    const { bytes, lines } = await receive(handle, subject, flags).finally(() => handle.close());
    if (flags.json === true) printJson({ file, bytes, lines });
    else print(`${file}: ${formatBytes(bytes)}, complete: ${formatLines(lines)}.\n`);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

type LineCounts = Readonly<Record<string, unknown>>;

function formatLines(lines: LineCounts): string {
  const counts = Object.entries(lines).map(([kind, count]) => `${count} × ${kind}`);
  return counts.length === 0 ? 'there is no data' : counts.join(', ');
}

/** Writes the export to disk. @throws {CliError} if its last line is missing */
async function receive(handle: FileHandle, subject: Subject, flags: CommonFlags) {
  const orWriteError = <T>(writing: Promise<T>) =>
    writing.catch((error: unknown) => {
      throw new CliError(EXIT_FAILED, `The export cannot be written (${systemErrorCode(error) ?? 'unknown'}).`);
    });
  let bytes = 0;
  const tail = new Tail();
  const take = async (piece: Uint8Array) => {
    await orWriteError(handle.writeFile(piece));
    bytes += piece.length;
    tail.add(piece);
    printProgress(`received ${formatBytes(bytes)}`);
  };
  const call = { method: 'POST', path: '/operator/v1/data-exports', ...subject } as const;
  await withOperatorClient(flags, (client) => client.download(call, take), { isDownload: true }).finally(() =>
    printProgress(''),
  );
  await orWriteError(handle.sync());
  const lines = endOf(tail.lastLine);
  if (lines === undefined) {
    throw new CliError(
      EXIT_FAILED,
      'The export was cut short; the log of the service says why. Run the command again.',
    );
  }
  return { bytes, lines };
}

/** The last line of what came in pieces. */
class Tail {
  readonly #decoder = new TextDecoder();
  #whole = '';
  #rest = '';

  add(piece: Uint8Array): void {
    const text = this.#rest + this.#decoder.decode(piece, { stream: true });
    const end = text.lastIndexOf('\n');
    if (end >= 0) this.#whole = text.slice(text.lastIndexOf('\n', end - 1) + 1, end);
    this.#rest = text.slice(end + 1);
  }

  /** Undefined when its line end is missing. */
  get lastLine(): string | undefined {
    return this.#rest === '' ? this.#whole : undefined;
  }
}

/** The number of lines of each kind; undefined: this is not the last line of an export. */
function endOf(line: string | undefined): LineCounts | undefined {
  try {
    const value: unknown = parseStrictJson(new TextEncoder().encode(line ?? ''), { acceptsUnfitTexts: true });
    return isJsonObject(value) && value['kind'] === 'end' && isJsonObject(value['lines']) ? value['lines'] : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}
