import { parseArgs } from 'node:util';
import { safeText } from '../safe-text.ts';
import { type CliEffects, keysOf, readText, UsageError, VALUE_CHARS_MAX } from './inputs.ts';
import { type Finding, type Inspection, inspectToken } from './inspect.ts';

/** Help of `inspect`. */
export const INSPECT_USAGE = `Usage: npx @tidings/tpp inspect TOKEN|FILE [options]

Explains an event notification (a compact token, or a file that holds one) member by member against the rules of the standard.

Options:
  --jwks FILE|URL    keys of the bank, to verify the signature
  --ca-file FILE     certificate authority of the URL, where it is a private one
  --issuer URI       expected iss claim
  --signer ID        expected iss in the JOSE header: the organisation id of the bank
  --client-id ID     expected aud claim: your client_id
  --json             prints the findings as one JSON object

Examples:
  npx @tidings/tpp inspect token.jwt
  npx @tidings/tpp inspect token.jwt --jwks https://keystore.example/0015800001HQQrZAAX.jwks --client-id your-client-id

Ends with 0 when every rule holds, 1 when one is broken, 2 for wrong use.`;

const OPTIONS = {
  jwks: { type: 'string' },
  'ca-file': { type: 'string' },
  issuer: { type: 'string' },
  signer: { type: 'string' },
  'client-id': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** Runs `inspect`. @returns the exit code. @throws {UsageError} */
export async function inspectCommand(args: readonly string[], effects: CliEffects): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const [given, ...more] = positionals;
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
}

/** A compact token has two dots and no slash; anything else is a file. */
async function tokenOf(given: string): Promise<string> {
  if (/^[\w-]+\.[\w-]*\.[\w-]*$/.test(given) && given.startsWith('eyJ')) return given;
  return (await readText('TOKEN', given)).trim();
}

const VERDICTS: Readonly<Record<Finding['verdict'], string>> = {
  good: 'Every rule holds.',
  wrong: 'A receiver must refuse this token.',
  unknown: 'Every rule that was checked holds.',
};

function linesOf({ findings, verdict }: Inspection): string[] {
  return [...findings.map(describeFinding), VERDICTS[verdict]];
}

const MARKS: Readonly<Record<Finding['verdict'], string>> = { good: 'ok   ', wrong: 'WRONG', unknown: '?    ' };

/** A finding in two lines, without control characters of the token. */
export function describeFinding({ part, name, value, verdict, explanation }: Finding): string {
  const shown = value === undefined ? '' : ` = ${safeText(value, VALUE_CHARS_MAX)}`;
  return `${MARKS[verdict]} ${part} ${safeText(name, VALUE_CHARS_MAX)}${shown}\n        ${safeText(explanation, 1000)}`;
}
