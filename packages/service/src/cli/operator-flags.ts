import { Command, Option } from 'commander';
import { isLoopback } from '../base/ip-address.ts';
import { CliError, EXIT_CODES_HELP, EXIT_CONFIGURATION } from './cli-error.ts';
import { readNamedFile, readPemFile } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import type { TableFlags } from './output.ts';

/** The address of the operator API, and the credentials for it. */
export interface OperatorFlags {
  readonly operatorUrl: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly certificateFile?: string;
  readonly keyFile?: string;
}

/** Flags of every command that calls a running service. `wide` only where it prints a table. */
export interface CommonFlags extends OperatorFlags, TableFlags {
  readonly json?: boolean;
}

/** How to connect, in the help of every command that calls a running service. */
export const CONNECTION_HELP = `
This command calls a running service. Set its address, token and trusted roots with --operator-url, --token-file and
--ca-file, or with the variables TIDINGS_OPERATOR_URL, TIDINGS_TOKEN_FILE and TIDINGS_CA_FILE; a flag overrides its variable.
If the service requires a client certificate, also set --certificate-file and --key-file, or TIDINGS_CERTIFICATE_FILE and
TIDINGS_KEY_FILE. The token is read from a file because other users of this machine can see arguments.

${EXIT_CODES_HELP}`;

/** One example in the help of a command. @param words the command line after `tidings` */
export const exampleOf = (words: string): string => `\nExample:\n  tidings ${words}\n`;

/** Creates a command of a group that calls a running service; see {@link defineOperatorCommand}. */
export function operatorCommand(name: string, description: string, examples = ''): Command {
  return defineOperatorCommand(new Command(name).description(description), examples);
}

/** Adds the flags and the help that all commands share that call a running service. */
export function defineOperatorCommand(command: Command, examples = ''): Command {
  return withOperatorFlags(command)
    .option('--json', 'print JSON')
    .addHelpText('after', `${examples}${CONNECTION_HELP}`);
}

/** The query of a call, without the parameters that are undefined. */
export function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return query.toString();
}

const URL_DEFAULT = 'http://127.0.0.1:8444';
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** The token is not a flag: other users of the machine can see arguments. */
function withOperatorFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--operator-url <url>', 'address of the operator API')
        .env('TIDINGS_OPERATOR_URL')
        .default(URL_DEFAULT),
    )
    .addOption(new Option('--token-file <file>', 'file that holds the operator token').env('TIDINGS_TOKEN_FILE'))
    .addOption(
      new Option('--ca-file <file>', 'trusted roots for its certificate, PEM (default: those of Node.js)').env(
        'TIDINGS_CA_FILE',
      ),
    )
    .addOption(
      new Option('--certificate-file <file>', 'client certificate, PEM, if the service requires one').env(
        'TIDINGS_CERTIFICATE_FILE',
      ),
    )
    .addOption(new Option('--key-file <file>', 'private key of the client certificate, PEM').env('TIDINGS_KEY_FILE'));
}

/** Runs `use` with a client of the operator API, and closes its connections afterwards. @throws {CliError} */
export async function withOperatorClient<T>(
  flags: OperatorFlags,
  use: (client: OperatorClient) => Promise<T>,
  { isDownload = false } = {},
): Promise<T> {
  const url = readUrl(flags.operatorUrl);
  const token = readToken(flags.tokenFile);
  const ca = flags.caFile === undefined ? undefined : await readPemFile('--ca-file', flags.caFile, 'certificate');
  const identity = await readIdentity(flags);
  const { OperatorClient: Client } = await import('./operator-client.ts');
  const client = new Client({ url, token, ca, ...identity }, isDownload);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

async function readIdentity({ certificateFile, keyFile }: OperatorFlags) {
  if (certificateFile === undefined && keyFile === undefined) return { cert: undefined, key: undefined };
  if (certificateFile === undefined || keyFile === undefined) {
    throw new CliError(EXIT_CONFIGURATION, '--certificate-file and --key-file must be given together.');
  }
  const cert = await readPemFile('--certificate-file', certificateFile, 'certificate');
  return { cert, key: await readPemFile('--key-file', keyFile, 'private key') };
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin =
    url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  if (!isOrigin || !/^https?:$/.test(url.protocol)) {
    const what = `--operator-url or TIDINGS_OPERATOR_URL is invalid (${text})`;
    const remedy = 'give only scheme, host and port, such as https://localhost:8444';
    throw new CliError(EXIT_CONFIGURATION, `${what}; ${remedy}.`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new CliError(
      EXIT_CONFIGURATION,
      `--operator-url would send the token to ${url.host} in clear; use https:// instead of http://.`,
    );
  }
  return url.origin;
}

function readToken(file: string | undefined): string {
  // An empty variable is an unset one.
  if (file === undefined || file === '') {
    const remedy = 'give the file that holds it with --token-file or TIDINGS_TOKEN_FILE';
    throw new CliError(EXIT_CONFIGURATION, `No operator token is given; ${remedy}.`);
  }
  const token = readNamedFile('--token-file', file).trim();
  if (TOKEN.test(token)) return token;
  throw new CliError(
    EXIT_CONFIGURATION,
    `The file ${file}, given by --token-file, must hold one operator token and nothing else.`,
  );
}
