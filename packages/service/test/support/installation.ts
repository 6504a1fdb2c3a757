import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Authority, daysFromNow, makeAuthority, makeSigningKey } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { type InspectionOptions, inspectInstallation } from '../../src/cli/doctor/inspect.ts';
import { withSetting } from '../config/settings.ts';

/** Days from now in which the certificates of a healthy installation are valid. */
const VALID = daysFromNow(-1, 300);

/** The roots of this test file, and of another authority of the same name. */
export const authority: Authority = await makeAuthority('Test authority', VALID);
export const stranger: Authority = await makeAuthority('Test authority', VALID);
const identity = await authority.issue({ ...VALID, dns: 'api.bank.example' });
/** Shown by servers on the loopback. */
export const loopback = await authority.issue({ ...VALID, name: 'server' });
const signing = makeSigningKey('kid-1');

/** What the authorisation server of all installations answers, unless a test has it answer something else. */
export const KEYS = { keys: [makeSigningKey('as-1').jwk] };

/** What it answers at paths that are not its JWKS. */
export interface Answer {
  readonly status?: number;
  readonly date?: string;
  readonly body: string;
}
const answers = new Map<string, Answer>();
const server = createServer(loopback.tls, (request, response) => {
  const { status = 200, body, date } = answers.get(request.url ?? '') ?? { status: 404, body: '' };
  if (date !== undefined) response.setHeader('date', date);
  response.statusCode = status;
  response.end(body);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
// For all test files of this process: it ends with that.
server.unref();
const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** A URL of the authorisation server that answers this. */
export function answering(answer: Answer): string {
  const path = `/${answers.size}`;
  answers.set(path, answer);
  return `${origin}${path}`;
}
const jwksUrl = answering({ body: JSON.stringify(KEYS) });

/** An installation in a folder of its own, with nothing wrong unless a test plants it. */
export interface Installation {
  readonly folder: string;
  readonly file: string;
  /** Writes a file into its folder. @returns its name */
  write(name: string, text: string, mode?: number): string;
  /** Changes one setting, named by its path as in `operator.tokens.0.name`. */
  set(path: string, value: unknown): void;
  /** What a doctor says that is not good. */
  faults(options?: Partial<InspectionOptions>): Promise<readonly Finding[]>;
  /** All that it says. */
  findings(options?: Partial<InspectionOptions>): Promise<readonly Finding[]>;
}

/** Makes a healthy installation. */
export function install(t: TestContext): Installation {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-installation-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'tidings.json');
  const write = (name: string, text: string, mode = 0o600) => {
    writeFileSync(join(folder, name), text, { mode });
    return name;
  };
  write('api.pem', identity.certificatePem);
  write('api.key', identity.keyPem);
  write('roots.pem', authority.certificatePem);
  write('signing.key', signing.keyPem);
  let settings: object = {
    issuer: 'https://bank.example/',
    organisationId: '0015800001BANKXAAA',
    signing: { kid: 'kid-1', keyFile: 'signing.key' },
    store: { file: 'store/tidings.db' },
    api: {
      ...{ host: '127.0.0.1', port: 0, publicUrl: 'https://api.bank.example' },
      tls: { certificateFile: 'api.pem', keyFile: 'api.key', clientCaFile: 'roots.pem' },
    },
    accessTokens: { issuer: 'https://as.bank.example', audience: 'bank', jwksUrl, caFile: 'roots.pem' },
    operator: {
      port: 0,
      tls: { certificateFile: 'api.pem', keyFile: 'api.key' },
      tokens: [{ name: 'core', role: 'operator', sha256: createHash('sha256').update('a secret').digest('hex') }],
    },
    delivery: { caFile: 'roots.pem', callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'] },
  };
  const save = () => write('tidings.json', JSON.stringify(settings));
  save();
  const findings = (options = {}) => inspectInstallation({ file, clock: systemClock, ...options });
  return {
    ...{ folder, file, write, findings },
    set: (path, value) => {
      settings = withSetting(path, value, settings);
      save();
    },
    faults: async (options) => (await findings(options)).filter(({ severity }) => severity !== 'ok'),
  };
}

/** How a planted fault must be reported. */
export interface Told extends Pick<Finding, 'check' | 'severity'> {
  readonly what: RegExp;
  readonly remedy: RegExp;
}

/** There is this one finding, in these words, and no other. */
export function assertTold(findings: readonly Finding[], told: Told): void {
  const [finding] = findings;
  assert.ok(finding !== undefined, 'nothing was found');
  assert.equal(findings.length, 1, JSON.stringify(findings, undefined, 2));
  assert.equal(finding.check, told.check, JSON.stringify(finding));
  assert.equal(finding.severity, told.severity, JSON.stringify(finding));
  assert.match(finding.what, told.what);
  assert.match(finding.what, /^["\w/].*[.?]$/, 'one sentence');
  assert.match(finding.remedy ?? '', told.remedy);
}
