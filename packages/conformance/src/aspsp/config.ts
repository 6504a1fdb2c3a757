import { API_VERSIONS, shapeOf } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { ConfigError, type ConfigFile } from '../config-file.ts';
import { settingsTable } from '../settings-table.ts';

const closed = { additionalProperties: false };
const text = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });
const url = (description: string) => Type.String({ pattern: '^https://', maxLength: 2048, description });
const file = (description: string) =>
  Type.String({ minLength: 1, description: `${description} (path, relative to this file)` });
const ms = (byDefault: number, minimum: number, maximum: number, description: string) =>
  Type.Optional(Type.Integer({ default: byDefault, minimum, maximum, description }));
const flag = (byDefault: boolean, description: string) =>
  Type.Optional(Type.Boolean({ default: byDefault, description }));

const client = Type.Object(
  {
    clientId: text('client_id'),
    certificateFile: file('Transport certificate with its intermediates, PEM'),
    keyFile: file('Private key of the transport certificate, PEM'),
    signing: Type.Object(
      {
        keyFile: file('Private signing key, RSA, PKCS #8 PEM'),
        kid: text('kid of the signing key at the trust anchor'),
        iss: text('iss of JOSE headers: {org-id}/{software-statement-id}'),
        tan: Type.Optional(text('tan of JOSE headers. Default: openbanking.org.uk')),
      },
      closed,
    ),
    authentication: Type.Optional(
      Type.Union([Type.Literal('tls_client_auth'), Type.Literal('private_key_jwt')], {
        description: 'How the client authenticates at the token endpoint. Default: tls_client_auth',
      }),
    ),
    scope: Type.Optional(text('Scope to ask for. Default: accounts')),
    scopeWithoutEvents: Type.Optional(
      text('A scope that the client may ask for and that does not give access to the event endpoints'),
    ),
  },
  closed,
);

const httpCall = Type.Object(
  {
    kind: Type.Literal('http'),
    url: text('URL of the call'),
    method: Type.Optional(text('Default: POST')),
    headers: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'Headers of the call' })),
    bearerTokenFile: Type.Optional(file('Token for the header Authorization, so that it need not stand here')),
    body: Type.Optional(Type.Unknown({ description: 'Body: a text, or JSON; with placeholders' })),
    caFile: Type.Optional(file('Authorities to trust, PEM')),
    certificateFile: Type.Optional(file('Client certificate, PEM')),
    keyFile: Type.Optional(file('Private key of the client certificate, PEM')),
  },
  closed,
);
const command = Type.Object(
  {
    kind: Type.Literal('command'),
    argv: Type.Array(Type.String(), {
      minItems: 1,
      description: 'Program and arguments, without a shell; with placeholders',
    }),
  },
  closed,
);
const ask = Type.Object(
  {
    kind: Type.Literal('ask'),
    text: Type.Optional(text('What the person at the terminal is asked to do; with placeholders')),
  },
  closed,
);

const AspspSettings = Type.Object(
  {
    name: text('Name of the bank in the report'),
    bank: Type.Object(
      {
        apiUrls: Type.Object(
          Object.fromEntries(
            API_VERSIONS.map((version) => [
              version,
              Type.Optional(url(`Base URL of ${version}, which ends in /${version}`)),
            ]),
          ),
          { ...closed, minProperties: 1 },
        ),
        tokenEndpoint: url('Token endpoint of the authorisation server'),
        tokenAudience: Type.Optional(text('aud of client assertions. Default: the token endpoint')),
        issuer: text('iss of event notifications'),
        organisationId: text('iss of the JOSE headers of the bank'),
        trustAnchor: Type.Optional(text('tan of the JOSE headers of the bank. Default: openbanking.org.uk')),
        jwksUrl: url('JWKS of the bank'),
        caFile: Type.Optional(file('Authorities to trust, PEM. Default: the public ones')),
        financialId: Type.Optional(text('Expected x-fapi-financial-id of deliveries')),
      },
      closed,
    ),
    clients: Type.Array(client, { minItems: 2, maxItems: 2, description: 'Two clients of the bank' }),
    features: Type.Optional(
      Type.Object(
        {
          polling: flag(true, 'POST /events is offered'),
          longPolling: flag(true, 'A poll may wait for events'),
          acknowledgements: flag(true, 'A SET is offered until it is acknowledged; false: it is offered once'),
          realTime: flag(true, 'Events are sent to callback URLs'),
          callbackUrls: flag(true, 'The resource callback-urls is offered'),
        },
        closed,
      ),
    ),
    receiver: Type.Optional(
      Type.Object(
        {
          origin: url('Origin at which the bank reaches this machine, such as https://tpp.example:9443'),
          host: Type.Optional(text('Address to listen on. Default: 0.0.0.0')),
          port: Type.Integer({ minimum: 0, maximum: 65_535, description: 'Port to listen on' }),
          certificateFile: file('Server certificate of the origin, PEM'),
          keyFile: file('Private key of the certificate, PEM'),
          untrusted: Type.Optional(
            Type.Object(
              {
                origin: url('Origin of a second listener, whose certificate the bank must not trust'),
                port: Type.Integer({ minimum: 0, maximum: 65_535, description: 'Port to listen on' }),
                certificateFile: file('Its certificate, PEM'),
                keyFile: file('Private key of the certificate, PEM'),
              },
              closed,
            ),
          ),
        },
        closed,
      ),
    ),
    events: Type.Optional(
      Type.Object(
        {
          make: Type.Union([httpCall, command, ask]),
          types: Type.Optional(
            Type.Array(Type.String(), {
              minItems: 1,
              description: 'Event types that can be made. Default: UK.OBIE.Resource-Update',
            }),
          ),
        },
        closed,
      ),
    ),
    timing: Type.Optional(
      Type.Object(
        {
          requestMs: ms(30_000, 1000, 600_000, 'Longest time for an answer of the bank'),
          eventMs: ms(30_000, 100, 3_600_000, 'Longest time from making an event until it is offered or sent'),
          quietMs: ms(3000, 100, 600_000, 'How long nothing must come where nothing may come'),
          reofferMs: ms(120_000, 0, 86_400_000, 'Longest time until a SET that was not acknowledged is offered again'),
          reofferAfterErrorMs: ms(600_000, 0, 86_400_000, 'The same for a SET that was reported as an error'),
          longPollMs: ms(60_000, 1000, 600_000, 'Longest time that the bank holds a long poll'),
          retryMs: ms(
            60_000,
            100,
            86_400_000,
            'Longest time from a failed delivery to its next attempt, for the first four',
          ),
          attemptMs: ms(30_000, 50, 600_000, 'Longest time that the bank waits for an answer of a callback URL'),
          retriesMax: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 20, description: 'Retries until the bank ceases; absent: not tested' }),
          ),
          recoveryMs: Type.Optional(
            Type.Integer({
              minimum: 100,
              maximum: 86_400_000,
              description: 'Longest time until a callback URL that is back gets what it missed; absent: not tested',
            }),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

type Settings = Static<typeof AspspSettings>;

/** All settings of the `aspsp` side, as a table in Markdown. */
export function aspspSettingsTable(): string {
  return settingsTable(AspspSettings);
}

/** A client of the bank, with the texts of its files. */
export interface ClientConfig {
  readonly clientId: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly signing: { readonly keyPem: string; readonly kid: string; readonly iss: string; readonly tan: string };
  readonly authentication: 'tls_client_auth' | 'private_key_jwt';
  readonly scope: string;
  readonly scopeWithoutEvents: string | undefined;
}

/** A listener of the runner. */
export interface ListenerConfig {
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** How an event is made to happen at the bank. */
export type EventMaking =
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, string>>;
      /** Undefined: no body. */
      readonly body: string | undefined;
      readonly caPem: string | undefined;
      readonly certificatePem: string | undefined;
      readonly keyPem: string | undefined;
    }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | { readonly kind: 'ask'; readonly text: string };

/** The configuration of the `aspsp` side, with every default filled in and every file read. */
export interface AspspConfig {
  readonly name: string;
  readonly bank: Omit<Settings['bank'], 'trustAnchor' | 'caFile' | 'tokenAudience' | 'apiUrls'> & {
    readonly apiUrls: Readonly<Partial<Record<(typeof API_VERSIONS)[number], string>>>;
    readonly trustAnchor: string;
    readonly tokenAudience: string;
    readonly caPem: string | undefined;
  };
  readonly clients: readonly [ClientConfig, ClientConfig];
  readonly features: Readonly<
    Record<'polling' | 'longPolling' | 'acknowledgements' | 'realTime' | 'callbackUrls', boolean>
  >;
  readonly receiver: (ListenerConfig & { readonly untrusted: ListenerConfig | undefined }) | undefined;
  readonly events: { readonly make: EventMaking; readonly types: readonly string[] } | undefined;
  readonly timing: AspspTiming;
}

/** Times of the bank, milliseconds; see the schema. */
export interface AspspTiming {
  readonly requestMs: number;
  readonly eventMs: number;
  readonly quietMs: number;
  readonly reofferMs: number;
  readonly reofferAfterErrorMs: number;
  readonly longPollMs: number;
  readonly retryMs: number;
  readonly attemptMs: number;
  readonly retriesMax: number | undefined;
  readonly recoveryMs: number | undefined;
}

const TRUST_ANCHOR = 'openbanking.org.uk';
const ASK = 'Please make an event of type {eventType} happen for the client {clientId}.';
const shape = shapeOf(AspspSettings);

/** Checks a configuration, and reads the files that it names. @throws {ConfigError} naming the field and the remedy */
export function readAspspConfig({ value, readFile }: ConfigFile): AspspConfig {
  const shaped = shape(value);
  if (!shaped.ok) throw ConfigError.ofFault(shaped.fault);
  const { name, bank, clients, features, receiver, events, timing } = shaped.value;
  for (const [version, each] of Object.entries(bank.apiUrls)) {
    if (!each?.endsWith(`/${version}`))
      throw new ConfigError(`bank.apiUrls["${version}"]`, `must end in /${version}, without a slash at the end`);
  }
  const [first, second] = clients.map((each, at) => clientOf(each, `clients[${at}]`, readFile));
  if (first === undefined || second === undefined) throw new ConfigError('clients', 'must have two clients');
  if (first.clientId === second.clientId)
    throw new ConfigError('clients[1].clientId', 'must differ from that of the first client');
  const { caFile, ...rest } = bank;
  return {
    name,
    bank: {
      ...rest,
      trustAnchor: bank.trustAnchor ?? TRUST_ANCHOR,
      tokenAudience: bank.tokenAudience ?? bank.tokenEndpoint,
      caPem: optionalFile(caFile, 'bank.caFile', readFile),
    },
    clients: [first, second],
    features: {
      polling: true,
      longPolling: true,
      acknowledgements: true,
      realTime: true,
      callbackUrls: true,
      ...features,
    },
    receiver: receiver && receiverOf(receiver, readFile),
    events: events && {
      make: makingOf(events.make, readFile),
      types: events.types ?? ['UK.OBIE.Resource-Update'],
    },
    timing: {
      ...{ requestMs: 30_000, eventMs: 30_000, quietMs: 3000, reofferMs: 120_000, reofferAfterErrorMs: 600_000 },
      ...{ longPollMs: 60_000, retryMs: 60_000, attemptMs: 30_000, retriesMax: undefined, recoveryMs: undefined },
      ...timing,
    },
  };
}

type ReadFile = ConfigFile['readFile'];

function clientOf(settings: Settings['clients'][number], field: string, readFile: ReadFile): ClientConfig {
  const {
    clientId,
    certificateFile,
    keyFile,
    signing,
    authentication = 'tls_client_auth',
    scope = 'accounts',
  } = settings;
  return {
    ...{ clientId, authentication, scope, scopeWithoutEvents: settings.scopeWithoutEvents },
    certificatePem: readFile(certificateFile, `${field}.certificateFile`),
    keyPem: readFile(keyFile, `${field}.keyFile`),
    signing: {
      keyPem: readFile(signing.keyFile, `${field}.signing.keyFile`),
      ...{ kid: signing.kid, iss: signing.iss, tan: signing.tan ?? TRUST_ANCHOR },
    },
  };
}

function receiverOf(settings: NonNullable<Settings['receiver']>, readFile: ReadFile): AspspConfig['receiver'] {
  const { untrusted, host = '0.0.0.0' } = settings;
  const listener = (of: NonNullable<typeof untrusted>, field: string): ListenerConfig => {
    if (new URL(of.origin).origin !== of.origin) {
      throw new ConfigError(`${field}.origin`, 'must be an origin: no path, and no slash at the end');
    }
    return {
      ...{ origin: of.origin, host, port: of.port },
      certificatePem: readFile(of.certificateFile, `${field}.certificateFile`),
      keyPem: readFile(of.keyFile, `${field}.keyFile`),
    };
  };
  return { ...listener(settings, 'receiver'), untrusted: untrusted && listener(untrusted, 'receiver.untrusted') };
}

function makingOf(settings: NonNullable<Settings['events']>['make'], readFile: ReadFile): EventMaking {
  switch (settings.kind) {
    case 'command':
      return settings;
    case 'ask':
      return { kind: 'ask', text: settings.text ?? ASK };
    case 'http': {
      const { bearerTokenFile, body, headers = {} } = settings;
      const field = 'events.make';
      const token = optionalFile(bearerTokenFile, `${field}.bearerTokenFile`, readFile)?.trim();
      return {
        ...{ kind: 'http', url: settings.url, method: settings.method ?? 'POST' },
        headers: {
          ...(typeof body === 'object' && { 'content-type': 'application/json' }),
          ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
        caPem: optionalFile(settings.caFile, `${field}.caFile`, readFile),
        certificatePem: optionalFile(settings.certificateFile, `${field}.certificateFile`, readFile),
        keyPem: optionalFile(settings.keyFile, `${field}.keyFile`, readFile),
      };
    }
  }
}

function optionalFile(path: string | undefined, field: string, readFile: ReadFile): string | undefined {
  return path === undefined ? undefined : readFile(path, field);
}
