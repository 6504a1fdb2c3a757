/** The smallest settings that are good. */
export const MINIMAL = {
  issuer: 'https://bank.example/',
  organisationId: '0015800001BANKXAAA',
  signing: { kid: 'kid-1', keyFile: 'signing.key' },
  store: { file: 'store/tidings.db' },
  api: { tls: { certificateFile: 'api.pem', keyFile: 'api.key', clientCaFile: 'roots.pem' } },
  accessTokens: { issuer: 'https://as.bank.example', audience: 'bank', jwksUrl: 'https://as.bank.example/jwks' },
  operator: { tokens: [{ name: 'core', sha256: '0'.repeat(64), role: 'administrator' }] },
} as const;

/** A copy of the settings in which one, named by its path (`operator.tokens.0.name`), has another value. */
export function withSetting(path: string, value: unknown, settings: object = MINIMAL): Record<string, unknown> {
  const copy = structuredClone(settings) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop() ?? '';
  let section = copy;
  for (const name of names) {
    section[name] ??= {};
    section = section[name] as Record<string, unknown>;
  }
  section[last] = value;
  return copy;
}

/** A copy without one setting. */
export function withoutSetting(path: string, settings: object = MINIMAL): Record<string, unknown> {
  return JSON.parse(JSON.stringify(withSetting(path, undefined, settings)));
}

/** The smallest section `operator.oidc` that is good. */
export const OIDC = {
  issuer: 'https://id.bank.example',
  audience: 'tidings',
  jwksUrl: 'https://id.bank.example/jwks',
  roles: { viewer: ['staff'] },
} as const;

/** The smallest mapping that is good, with the least of each of its lists. */
export const MAPPING = {
  when: [{ value: '{$.status}', in: ['REVOKED'] }],
  lookups: [{ name: 'types', values: [{ from: 'REVOKED', to: 'UK.OBIE.Consent-Authorization-Revoked' }] }],
  id: '{$.id}',
  clientId: '{$.tpp}',
  occurredAt: '{$.at}',
  events: [{ type: '{$.status|types}' }],
  resource: {
    ...{ id: '{$.consent}', type: 'account-access-consent', version: '4.0', uri: 'https://bank.example/{$.consent}' },
    links: [{ version: 'v4.0', link: 'https://bank.example/{$.consent}' }],
  },
} as const;

/** The smallest section `intake.kafka` that is good, with a mapping. */
export const KAFKA = {
  ...{ brokers: ['kafka.bank.example:9093'], tls: {}, topic: 'consents', deadLetterTopic: 'consents-dead' },
  sasl: { user: 'tidings', passwordFile: 'kafka-password' },
  mapping: MAPPING,
} as const;

/** The smallest settings, with the least of every section that may be left out and has settings that may not. */
export const WITH_EVERY_SECTION = {
  ...MINIMAL,
  signing: {
    ...MINIMAL.signing,
    pkcs11: { libraryFile: 'module.so', tokenLabel: 'bank', pinFile: 'pin' },
    awsKms: { region: 'eu-west-2' },
    azureKeyVault: { vaultUrl: 'https://tidings.vault.azure.net' },
    gcpKms: {},
    vault: { url: 'https://vault.bank.example:8200', tokenFile: 'token' },
  },
  api: { ...MINIMAL.api, gateway: { addresses: ['10.0.0.0/8', '::1'] } },
  operator: {
    oidc: {
      ...OIDC,
      signIn: { clientId: 'tidings-console', redirectUrl: 'https://ops.bank.example/console/sign-in/callback' },
    },
  },
  intake: { kafka: KAFKA },
  directory: { issuer: 'OpenBanking Ltd', jwksFile: 'directory.jwks' },
  notify: {
    webhooks: [{ name: 'on-call', url: 'https://events.bank.example/', secretFile: 'secret' }],
    slack: [{ name: 'channel', urlFile: 'slack' }],
    email: [{ name: 'duty', host: 'smtp.bank.example', from: 'tidings@bank.example', to: ['duty@bank.example'] }],
  },
} as const;
