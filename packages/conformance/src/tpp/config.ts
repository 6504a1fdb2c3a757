import { createPrivateKey, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { shapeOf } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { ConfigError, type ConfigFile } from '../config-file.ts';
import { settingsTable } from '../settings-table.ts';
import type { EndpointTls } from './endpoint.ts';

const closed = { additionalProperties: false };
const text = (description: string, maxLength = 2048) => Type.String({ minLength: 1, maxLength, description });
const file = (description: string) => text(`${description} (path, relative to this file)`);
const whole = (byDefault: number, minimum: number, maximum: number, description: string) =>
  Type.Optional(Type.Integer({ default: byDefault, minimum, maximum, description }));

const TppSettings = Type.Object(
  {
    name: text('Name of the TPP in the report'),
    callbackUrl: Type.String({ pattern: '^https://', maxLength: 2048, description: 'The callback URL that is tested' }),
    clientId: text('client_id of the TPP at the bank: aud of the notifications', 128),
    eventTypes: Type.Optional(
      Type.Array(text('URN of an event type'), {
        minItems: 1,
        description: 'URNs of the event types that the TPP handles. Default: all of the standard',
      }),
    ),
    bank: Type.Object(
      {
        issuer: text('iss of the notifications, as the TPP expects it'),
        organisationId: text('iss of their JOSE headers, as the TPP expects it'),
        trustAnchor: Type.Optional(text('tan of their JOSE headers. Default: openbanking.org.uk')),
        financialId: Type.Optional(text('Value of x-fapi-financial-id. Default: the header is not sent')),
        resourceUrl: Type.Optional(
          text(
            'Base URL of the resources that events are about, without the version. Default: the issuer and /open-banking',
          ),
        ),
      },
      closed,
    ),
    signing: Type.Object(
      {
        keyFile: Type.Optional(
          file('Private signing key of the bank, RSA, PKCS #8 PEM. Default: a new one for each run'),
        ),
        kid: Type.Optional(text('kid of the signing key. Default: a new one for each run')),
        jwks: Type.Optional(
          Type.Object(
            {
              host: Type.Optional(text('Address to listen on. Default: 127.0.0.1')),
              port: Type.Integer({ minimum: 0, maximum: 65_535, description: 'Port to listen on; 0: any' }),
              publicUrl: Type.Optional(
                text('URL under which the TPP reaches it, for the output. Default: its address'),
              ),
              certificateFile: Type.Optional(file('Server certificate, PEM. Default: HTTP without TLS')),
              keyFile: Type.Optional(file('Private key of the certificate, PEM')),
            },
            { ...closed, description: 'Serves the JWKS of the bank from the runner' },
          ),
        ),
      },
      closed,
    ),
    tls: Type.Optional(
      Type.Object(
        {
          caFile: Type.Optional(file('Authorities to trust, PEM. Default: the public ones')),
          certificateFile: Type.Optional(file('Client certificate, where the callback URL wants one, PEM')),
          keyFile: Type.Optional(file('Private key of the client certificate, PEM')),
        },
        closed,
      ),
    ),
    iatAgeSecondsMax: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 315_360_000,
        description: 'Age at which the TPP refuses notifications. Default: none',
      }),
    ),
    certificateDaysMin: whole(14, 0, 825, 'Days that the certificate of the callback URL has to be valid yet'),
    oversizeBytes: whole(1_048_576, 262_144, 67_108_864, 'Size of the token that is far too large'),
    burst: whole(50, 2, 1000, 'Notifications of a burst'),
    timing: Type.Optional(
      Type.Object(
        {
          answerMs: whole(10_000, 100, 120_000, 'Longest time for a response'),
          slowBodyMs: whole(3000, 30, 60_000, 'Time that a slow body takes'),
          quietMs: whole(2000, 50, 60_000, 'How long the runner waits for a connection to be closed'),
          keyRefreshMs: whole(
            60_000,
            0,
            3_600_000,
            'Longest time until a new key of the JWKS is accepted; 0: not tested',
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

type Settings = Static<typeof TppSettings>;

/** All settings of the `tpp` side, as a table in Markdown. */
export function tppSettingsTable(): string {
  return settingsTable(TppSettings);
}

/** Where the runner serves the JWKS of the bank. */
export interface JwksListener {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly publicUrl: string | undefined;
  /** Undefined: HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

/** The configuration of the `tpp` side, with every default filled in and every file read. */
export interface TppConfig {
  readonly name: string;
  readonly callbackUrl: string;
  readonly clientId: string;
  /** Undefined: all of the standard. */
  readonly eventTypes: readonly string[] | undefined;
  readonly bank: {
    readonly issuer: string;
    readonly organisationId: string;
    readonly trustAnchor: string;
    readonly financialId: string | undefined;
    /** Without a slash at its end. */
    readonly resourceUrl: string;
  };
  /** Undefined: the runner makes them. */
  readonly signing: {
    readonly key: KeyObject | undefined;
    readonly kid: string | undefined;
    readonly jwks: JwksListener | undefined;
  };
  readonly tls: EndpointTls;
  readonly iatAgeSecondsMax: number | undefined;
  readonly certificateDaysMin: number;
  readonly oversizeBytes: number;
  readonly burst: number;
  readonly timing: Readonly<Record<'answerMs' | 'slowBodyMs' | 'quietMs' | 'keyRefreshMs', number>>;
}

const shape = shapeOf(TppSettings);

/** Checks a configuration, and reads the files that it names. @throws {ConfigError} naming the field and the remedy */
export function readTppConfig({ value, readFile }: ConfigFile): TppConfig {
  const shaped = shape(value);
  if (!shaped.ok) throw ConfigError.ofFault(shaped.fault);
  const { bank, signing, tls, timing, eventTypes, iatAgeSecondsMax, ...settings } = shaped.value;
  assertUrl(settings.callbackUrl, 'callbackUrl');
  return {
    certificateDaysMin: 14,
    oversizeBytes: 1_048_576,
    burst: 50,
    ...settings,
    eventTypes,
    iatAgeSecondsMax,
    bank: {
      issuer: bank.issuer,
      organisationId: bank.organisationId,
      trustAnchor: bank.trustAnchor ?? 'openbanking.org.uk',
      financialId: bank.financialId,
      resourceUrl: (bank.resourceUrl ?? `${bank.issuer.replace(/\/+$/, '')}/open-banking`).replace(/\/+$/, ''),
    },
    signing: signingOf(signing, readFile),
    tls: tlsOf(tls ?? {}, readFile),
    timing: { answerMs: 10_000, slowBodyMs: 3000, quietMs: 2000, keyRefreshMs: 60_000, ...timing },
  };
}

type ReadFile = ConfigFile['readFile'];

function assertUrl(url: string, field: string): void {
  if (!URL.canParse(url))
    throw new ConfigError(
      field,
      'is not a URL; write it as the TPP registers it, such as https://tpp.example/open-banking/v4.0/event-notifications',
    );
  const { username, password, hash } = new URL(url);
  if (username !== '' || password !== '' || hash !== '')
    throw new ConfigError(field, 'must have no user, password or fragment; take it out');
}

function signingOf({ keyFile, kid, jwks }: Settings['signing'], readFile: ReadFile): TppConfig['signing'] {
  if (keyFile === undefined && jwks === undefined) {
    throw new ConfigError(
      'signing',
      'needs keyFile, a key of the bank that the TPP knows, or jwks, so that the runner serves the JWKS of a new one',
    );
  }
  if (keyFile !== undefined && kid === undefined) {
    throw new ConfigError('signing.kid', 'is missing; add the kid that the key has in the JWKS of the bank');
  }
  return {
    key: keyFile === undefined ? undefined : signingKeyOf(readFile(keyFile, 'signing.keyFile')),
    kid,
    jwks: jwks === undefined ? undefined : listenerOf(jwks, readFile),
  };
}

function signingKeyOf(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch {
    // Told below, without the text of the file.
  }
  throw new ConfigError(
    'signing.keyFile',
    'is not an RSA private key in PEM; convert it with: openssl pkcs8 -topk8 -nocrypt',
  );
}

function listenerOf(jwks: NonNullable<Settings['signing']['jwks']>, readFile: ReadFile): JwksListener {
  const { host = '127.0.0.1', port, publicUrl, certificateFile, keyFile } = jwks;
  if (isIP(host) === 0) throw new ConfigError('signing.jwks.host', 'must be an address, such as 127.0.0.1 or 0.0.0.0');
  if (publicUrl !== undefined && !URL.canParse(publicUrl))
    throw new ConfigError('signing.jwks.publicUrl', 'is not a URL');
  return { host, port, publicUrl, tls: pairOf(certificateFile, keyFile, 'signing.jwks', readFile) };
}

function tlsOf({ caFile, certificateFile, keyFile }: NonNullable<Settings['tls']>, readFile: ReadFile): EndpointTls {
  const pair = pairOf(certificateFile, keyFile, 'tls', readFile);
  const ca = caFile === undefined ? undefined : readFile(caFile, 'tls.caFile');
  return { ca, cert: pair?.cert, key: pair?.key };
}

function pairOf(certificateFile: string | undefined, keyFile: string | undefined, field: string, readFile: ReadFile) {
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined)
    throw new ConfigError(`${field}.certificateFile`, 'is missing; add the certificate of keyFile');
  if (keyFile === undefined)
    throw new ConfigError(`${field}.keyFile`, 'is missing; add the private key of the certificate');
  return { cert: readFile(certificateFile, `${field}.certificateFile`), key: readFile(keyFile, `${field}.keyFile`) };
}
