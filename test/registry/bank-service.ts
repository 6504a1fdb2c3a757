import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPki, type SandboxPki } from '@tidings/sandbox';
import { createLog, parseConfig, type RunningService, startService } from '@tidings/service';
import { resolveTestHost } from '../support/resolve-test-host.ts';
import { type Directory, makeDirectory } from './directory.ts';
import { type Call, createCaller } from './operator-caller.ts';

/** The name of the operator token, which stands in the log. */
export const OPERATOR = 'alice';

/** A Notification Service with its operator listener on real TLS, and everything that a test wants of it. */
export interface BankService {
  readonly folder: string;
  readonly pki: SandboxPki;
  readonly directory: Directory;
  readonly settings: object;
  readonly service: RunningService;
  readonly token: string;
  readonly tokenFile: string;
  /** Variables with which the commands call the service. */
  readonly environment: Readonly<Record<string, string>>;
  /** Calls the operator API with the token. */
  readonly call: Call;
  /** Lines of the log with this message. */
  logged(message: string): Record<string, unknown>[];
  stop(): Promise<void>;
}

/** Makes a folder with keys and certificates in it, and gives the settings of a service that uses them. */
export async function prepareBank() {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-registry-'));
  const pki = await openPki({ folder: join(folder, 'pki'), nowMs: Date.now() });
  const directory = await makeDirectory(folder);
  const token = randomBytes(32).toString('base64url');
  const tokenFile = join(folder, 'operator-token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const { bank, root } = pki;
  const identity = { certificateFile: bank.transport.certificateFile, keyFile: bank.transport.keyFile };
  const sha256 = createHash('sha256').update(token).digest('hex');
  const settings = {
    issuer: 'https://bank.example/',
    organisationId: bank.organisationId,
    signing: { kid: bank.signing.kid, keyFile: bank.signing.keyFile },
    store: { file: join(folder, 'tidings.db') },
    api: { host: '127.0.0.1', port: 0, tls: { ...identity, clientCaFile: root.certificateFile } },
    accessTokens: {
      issuer: 'https://auth.example',
      audience: 'https://bank.example',
      jwksUrl: 'https://auth.example/jwks',
    },
    operator: {
      host: '127.0.0.1',
      port: 0,
      tls: identity,
      tokens: [{ name: OPERATOR, sha256, role: 'administrator' }],
    },
    directory: { issuer: directory.issuer, jwksFile: directory.jwksFile },
  };
  const cleanUp = () => rmSync(folder, { recursive: true, force: true });
  return { folder, pki, directory, token, tokenFile, settings, cleanUp };
}

/** Starts a service of its own, with a store of its own. @param changed settings that differ from the usual */
export async function startBank(changed: object = {}): Promise<BankService> {
  const { cleanUp, ...prepared } = await prepareBank();
  const { folder, settings, token, pki } = prepared;
  const logFile = join(folder, 'service.log');
  const service = await startService(parseConfig({ ...settings, ...changed }, folder), {
    log: createLog('info', logFile),
    resolveHost: resolveTestHost,
  });
  const caller = createCaller({ url: service.operatorUrl, token, ca: pki.root.certificatePem });
  return {
    ...prepared,
    service,
    environment: {
      TIDINGS_OPERATOR_URL: service.operatorUrl,
      TIDINGS_TOKEN_FILE: prepared.tokenFile,
      TIDINGS_CA_FILE: pki.root.certificateFile,
    },
    call: caller.call,
    logged: (message) =>
      readFileSync(logFile, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line): Record<string, unknown> => JSON.parse(line))
        .filter(({ msg }) => msg === message),
    stop: async () => {
      caller.close();
      await service.stop();
      cleanUp();
    },
  };
}

/** The API shows this of a TPP that has registered nothing. */
export const NOTHING_REGISTERED = { isSuspended: false, state: 'no-registration', awaiting: 0, isAtLeast: false };

/** A TPP's body for PUT, with the sample TPP's key inline. */
export function tppOf({ pki }: Pick<BankService, 'pki'>): Record<string, unknown> {
  const { organisationId, softwareStatementId, signing } = pki.tpp;
  return { organisationId, softwareStatementId, jwks: { keys: [signing.publicJwk] } };
}
