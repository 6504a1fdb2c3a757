import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { importSigningKeys, JwksError, type KeySource, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { systemNowMs } from '../clock.ts';
import { remoteKeys } from '../net/remote-keys.ts';
import { printLine } from '../output.ts';
import { safeText } from '../safe-text.ts';
import { type Finding, type Inspection, inspectToken } from './inspect.ts';

const USAGE = `Usage: npx @tidings/tpp inspect TOKEN|FILE [options]

Explains an event notification (a compact token, or a file that holds one) member by member against the rules of the standard.

Options:
  --jwks FILE|URL    keys of the bank, to verify the signature
  --ca-file FILE     certificate authority of the URL, where it is a private one
  --issuer URI       expected iss claim
  --signer ID        expected iss in the JOSE header: the organisation id of the bank
  --client-id ID     expected aud claim: your client_id
  --json             prints the findings as one JSON object

Ends with 0 when every rule holds, 1 when one is broken, 2 for wrong use.`;

const OPTIONS = {
  jwks: { type: 'string' },
  'ca-file': { type: 'string' },
  issuer: { type: 'string' },
  signer: { type: 'string' },
  'client-id': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const BAD_USE = 2;
const VALUE_CHARS_MAX = 200;

/** Effects of the command line. */
export interface CliEffects {
  print(line: string): void;
  nowMs(): number;
}

/** Wrong use of the command line. `message` names the argument and the remedy. */
class UsageError extends Error {}

/** Runs the command line of the package. @returns the exit code */
export async function main(
  args: readonly string[],
  effects: CliEffects = { print: printLine, nowMs: systemNowMs },
): Promise<number> {
  try {
    const { values, positionals } = parseOptions(args);
    const [command, given, ...more] = positionals;
    if (values.help || command === undefined) {
      effects.print(USAGE);
      return values.help ? 0 : BAD_USE;
    }
    if (command !== 'inspect') throw new UsageError(`There is no command ${safeText(command, 40)}: use inspect.`);
    if (given === undefined || more.length > 0) throw new UsageError('Give one token, or a file that holds one.');
    const inspection = await inspectToken(await tokenOf(given), {
      issuer: values.issuer,
      signer: values.signer,
      clientId: values['client-id'],
      keys: values.jwks === undefined ? undefined : await keysOf(values.jwks, values['ca-file']),
      nowSeconds: effects.nowMs() / 1000,
    });
    if (values.json) effects.print(JSON.stringify(inspection));
    else for (const line of linesOf(inspection)) effects.print(line);
    return inspection.verdict === 'wrong' ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    effects.print(`tidings-tpp: ${error.message}`);
    return BAD_USE;
  }
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The options are not understood.');
  }
}

/** A compact token has two dots and no slash; anything else is a file. */
async function tokenOf(given: string): Promise<string> {
  if (/^[\w-]+\.[\w-]*\.[\w-]*$/.test(given) && given.startsWith('eyJ')) return given;
  return (await readText('TOKEN', given)).trim();
}

async function keysOf(place: string, caFile: string | undefined): Promise<KeySource> {
  if (place.startsWith('https://')) {
    const transport = caFile === undefined ? {} : { caPem: await readText('--ca-file', caFile) };
    return remoteKeys({ url: place, transport });
  }
  try {
    return await importSigningKeys(parseStrictJson(new TextEncoder().encode(await readText('--jwks', place))));
  } catch (error) {
    if (error instanceof JwksError || error instanceof StrictJsonError)
      throw new UsageError(`--jwks: ${place} is not a JWKS: ${error.message}`);
    throw error;
  }
}

async function readText(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new UsageError(`${name}: the file ${safeText(file, VALUE_CHARS_MAX)} cannot be read (${code}).`);
  }
}

const MARKS: Readonly<Record<Finding['verdict'], string>> = { good: 'ok   ', wrong: 'WRONG', unknown: '?    ' };
const VERDICTS: Readonly<Record<Finding['verdict'], string>> = {
  good: 'Every rule holds.',
  wrong: 'A receiver must refuse this token.',
  unknown: 'Every rule that was checked holds.',
};

function linesOf({ findings, verdict }: Inspection): string[] {
  const lines = findings.map(({ part, name, value, verdict: each, explanation }) => {
    const shown = value === undefined ? '' : ` = ${safeText(value, VALUE_CHARS_MAX)}`;
    return `${MARKS[each]} ${part} ${safeText(name, VALUE_CHARS_MAX)}${shown}\n        ${safeText(explanation, 1000)}`;
  });
  return [...lines, VERDICTS[verdict]];
}
