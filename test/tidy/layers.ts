/** The dependency rule as tables. `direction.ts` reads them; nothing else decides who may import whom. */

/** Which of our packages the sources of a package may import. Nothing imports sandbox, console, conformance, intake-kafka or testing. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  tpp: ['protocol'],
  service: ['protocol'],
  sandbox: ['protocol', 'tpp', 'service'],
  conformance: ['protocol'],
  'signer-aws-kms': ['protocol'],
  'signer-azure-key-vault': ['protocol'],
  'signer-gcp-kms': ['protocol'],
  'signer-pkcs11': ['protocol'],
  'signer-vault': ['protocol'],
  console: [],
  'intake-kafka': ['service'],
  testing: ['protocol'],
};

/** What a package offers to others by name, beside its index. */
export const FACES: readonly string[] = ['@tidings/sandbox/cli', '@tidings/service/cli'];

/** Packages that stay small on purpose: the only foreign packages their sources may import. */
export const FOREIGN: Readonly<Record<string, { readonly packages: readonly string[]; readonly node: boolean }>> = {
  protocol: { packages: ['jose', 'typebox'], node: false },
  tpp: { packages: ['oauth4webapi'], node: true },
  'intake-kafka': { packages: ['@platformatic/kafka'], node: true },
};

/** The files that may import by a computed specifier: packages that need not be installed are loaded without depending on them. */
export const COMPUTED_IMPORTS: readonly string[] = ['packages/service/src/base/optional-package.ts'];

const BELOW_SERVICE = [
  'base',
  'model',
  'config',
  'store',
  'trust',
  'net',
  'telemetry',
  'notify',
  'api',
  'retention',
  'alerts',
  'openapi',
  'operator',
  'intake',
] as const;

/** Which other places of packages/service/src each place may import; every place may import itself. */
export const SERVICE: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  config: ['base', 'model'],
  store: ['base', 'model', 'config'],
  trust: ['base', 'model', 'config', 'store', 'net'],
  net: ['base', 'model', 'config'],
  telemetry: ['base', 'model', 'config', 'store'],
  notify: ['base', 'model', 'config', 'store', 'trust', 'net', 'telemetry'],
  api: ['base', 'model', 'config', 'store', 'trust', 'net', 'telemetry'],
  retention: ['base', 'model', 'config', 'store'],
  alerts: ['base', 'model', 'config', 'store', 'trust', 'net'],
  openapi: ['base', 'model', 'config'],
  operator: ['base', 'model', 'config', 'store', 'trust', 'net', 'telemetry', 'notify', 'api', 'alerts', 'openapi'],
  intake: ['base', 'model', 'config', 'store', 'trust', 'telemetry', 'notify', 'operator'],
  'components.ts': BELOW_SERVICE,
  'service.ts': [...BELOW_SERVICE, 'components.ts'],
  'index.ts': [...BELOW_SERVICE, 'service.ts'],
  cli: [...BELOW_SERVICE, 'service.ts', 'index.ts'],
};
