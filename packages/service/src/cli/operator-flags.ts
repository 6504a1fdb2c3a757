import { Command, Option } from 'commander';
import { isLoopback } from '../base/ip-address.ts';
import { CliError, EXIT_CODES_HELP, EXIT_CONFIGURATION } from './cli-error.ts';
import { readNamedFile } from './input.ts';
import type { OperatorClient } from './operator-client.ts';

/** Where the operator API is and how to be let in. */
export interface OperatorFlags {
  readonly operatorUrl: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly certificateFile?: string;
  readonly keyFile?: string;
}

/** Flags that every command has which calls a running service. */
export interface CommonFlags extends OperatorFlags {
  readonly json?: boolean;
}

/** Where the service and the token come from, as the help of a command says it. */
export const WHERE_HELP = `
Where the service is and the token come from --operator-url, --token-file and --ca-file, or from TIDINGS_OPERATOR_URL,
TIDINGS_TOKEN_FILE and TIDINGS_CA_FILE. The token is never an argument. Where the service demands a client certificate,
give it with --certificate-file and --key-file, or TIDINGS_CERTIFICATE_FILE and TIDINGS_KEY_FILE.

${EXIT_CODES_HELP}`;

/** An example for the help of a command. @param words what follows `tidings` */
export const exampleOf = (words: string): string => `\nExample:\n  tidings ${words}\n`;

/** A command within a group that calls a running service, as {@link defineOperatorCommand} makes it. */
export function operatorCommand(name: string, description: string, examples = ''): Command {
  return defineOperatorCommand(new Command(name).description(description), examples);
}

/** Gives a command that calls a running service the flags and the help that all of them have. */
export function defineOperatorCommand(command: Command, examples = ''): Command {
  return withOperatorFlags(command).option('--json', 'print JSON').addHelpText('after', `${examples}${WHERE_HELP}`);
}

/** The query of a call; what is undefined is left out. */
export function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return query.toString();
}

const URL_DEFAULT = 'http://127.0.0.1:8444';
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** The token is never an argument: others could see it. */
function withOperatorFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--operator-url <url>', 'where the operator API is').env('TIDINGS_OPERATOR_URL').default(URL_DEFAULT),
    )
    .addOption(new Option('--token-file <file>', 'file with the operator token').env('TIDINGS_TOKEN_FILE'))
    .addOption(
      new Option('--ca-file <file>', 'roots of its certificate, PEM (default: those of Node.js)').env(
        'TIDINGS_CA_FILE',
      ),
    )
    .addOption(
      new Option('--certificate-file <file>', 'client certificate, PEM, where one is demanded').env(
        'TIDINGS_CERTIFICATE_FILE',
      ),
    )
    .addOption(new Option('--key-file <file>', 'private key of that certificate, PEM').env('TIDINGS_KEY_FILE'));
}

/** Calls the operator API, and closes the connection whatever comes of it. @throws {CliError} */
export async function withOperatorClient<T>(
  flags: OperatorFlags,
  use: (client: OperatorClient) => Promise<T>,
  { isDownload = false } = {},
): Promise<T> {
  const url = readUrl(flags.operatorUrl);
  const token = readToken(flags.tokenFile);
  const ca = flags.caFile === undefined ? undefined : readNamedFile('--ca-file', flags.caFile);
  const identity = readIdentity(flags);
  const { OperatorClient: Client } = await import('./operator-client.ts');
  const client = new Client({ url, token, ca, ...identity }, isDownload);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function readIdentity({ certificateFile, keyFile }: OperatorFlags) {
  if (certificateFile === undefined && keyFile === undefined) return { cert: undefined, key: undefined };
  if (certificateFile === undefined || keyFile === undefined) {
    throw new CliError(EXIT_CONFIGURATION, '--certificate-file and --key-file go together; give both.');
  }
  const cert = readNamedFile('--certificate-file', certificateFile);
  return { cert, key: readNamedFile('--key-file', keyFile) };
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin =
    url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  if (!isOrigin || !/^https?:$/.test(url.protocol)) {
    const what = `--operator-url (${text}) must be scheme, host and port, such as https://localhost:8444`;
    throw new CliError(EXIT_CONFIGURATION, `${what}; it may also stand in TIDINGS_OPERATOR_URL.`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new CliError(EXIT_CONFIGURATION, `The token would cross the network to ${url.host} in clear; use https://.`);
  }
  return url.origin;
}

function readToken(file: string | undefined): string {
  if (file === undefined) {
    const remedy = 'name the file that holds it with --token-file or TIDINGS_TOKEN_FILE';
    throw new CliError(EXIT_CONFIGURATION, `The operator token is missing; ${remedy}.`);
  }
  const token = readNamedFile('--token-file', file).trim();
  if (TOKEN.test(token)) return token;
  throw new CliError(
    EXIT_CONFIGURATION,
    `The file ${file}, named by --token-file, does not hold a token, and nothing else.`,
  );
}
