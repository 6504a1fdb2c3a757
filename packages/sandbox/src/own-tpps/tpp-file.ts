import { API_VERSIONS } from '@tidings/protocol';
import type { OwnTppCertificates } from '../pki/own-tpp.ts';
import type { CertificateFiles } from '../pki/pki.ts';
import { type BankFacts, TRUST_ANCHOR } from '../sample-tpp/sample-tpp.ts';

/** A developer's TPP: who it is. */
export interface OwnTpp {
  readonly clientId: string;
  readonly softwareStatementId: string;
  readonly callbackUrl: string;
  readonly certificates: OwnTppCertificates;
}

/** Facts about the bank that a TPP needs before it has the discovery document. */
export interface BankOfOwnTpps extends BankFacts {
  readonly tokenEndpoint: string;
  readonly discoveryUrl: string;
  readonly scopes: readonly string[];
  readonly caFile: string;
}

/** Everything that a developer needs, as in `tpp.json`. Files are named by their absolute paths. */
export interface TppFile {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  readonly callbackUrl: string;
  /** For mutual TLS with the bank. */
  readonly transport: { readonly certificateFile: string; readonly keyFile: string };
  /** For the signatures of requests: `kid`, `iss` and `tan` are those of their JOSE headers. */
  readonly signing: {
    readonly certificateFile: string;
    readonly keyFile: string;
    readonly kid: string;
    readonly iss: string;
    readonly tan: string;
  };
  /** For the server at the callback URL. */
  readonly receiver: { readonly certificateFile: string; readonly keyFile: string };
  /** The root of all certificates of the sandbox. */
  readonly caFile: string;
  readonly bank: {
    /** `iss` of notifications. */
    readonly issuer: string;
    /** Organisation id: `iss` of JOSE headers. */
    readonly organisationId: string;
    readonly jwksUrl: string;
    /** Issuer of the authorisation server. */
    readonly authorisationServer: string;
    readonly discoveryUrl: string;
    readonly tokenEndpoint: string;
    readonly scopes: string;
    /** Base URL of the API in its newest version. */
    readonly apiUrl: string;
    readonly apiUrlV31: string;
    readonly resourceServer: string;
  };
}

/** Writes down what the developer of a TPP needs. */
export function tppFileOf(tpp: OwnTpp, bank: BankOfOwnTpps): TppFile {
  const { clientId, softwareStatementId, callbackUrl, certificates } = tpp;
  const { organisationId, transport, signing, receiver } = certificates;
  const iss = `${organisationId}/${softwareStatementId}`;
  const [oldest = 'v3.1', newest = 'v4.0'] = API_VERSIONS;
  return {
    ...{ clientId, organisationId, softwareStatementId, callbackUrl },
    transport: pathsOf(transport),
    signing: { ...pathsOf(signing), kid: signing.kid, iss, tan: TRUST_ANCHOR },
    receiver: pathsOf(receiver),
    caFile: bank.caFile,
    bank: {
      issuer: bank.issuer,
      organisationId: bank.organisationId,
      jwksUrl: bank.jwksUrl,
      authorisationServer: bank.authorisationServer,
      discoveryUrl: bank.discoveryUrl,
      tokenEndpoint: bank.tokenEndpoint,
      scopes: bank.scopes.join(' '),
      apiUrl: `${bank.apiUrl}/${newest}`,
      apiUrlV31: `${bank.apiUrl}/${oldest}`,
      resourceServer: bank.resourceOrigin,
    },
  };
}

function pathsOf({ certificateFile, keyFile }: CertificateFiles) {
  return { certificateFile, keyFile };
}

/** The same as environment variables, for `node --env-file`, shells and containers. */
export function envTextOf({ bank, transport, signing, receiver, ...tpp }: TppFile): string {
  const sections: readonly (readonly [comment: string, variables: Readonly<Record<string, string>>])[] = [
    [
      'The TPP.',
      {
        TPP_CLIENT_ID: tpp.clientId,
        TPP_ORGANISATION_ID: tpp.organisationId,
        TPP_SOFTWARE_STATEMENT_ID: tpp.softwareStatementId,
      },
    ],
    [
      'Its transport certificate, for mutual TLS with the bank.',
      { TPP_TRANSPORT_CERTIFICATE_FILE: transport.certificateFile, TPP_TRANSPORT_KEY_FILE: transport.keyFile },
    ],
    [
      'Its signing key, and the kid, iss and tan of the JOSE headers of its requests.',
      {
        TPP_SIGNING_KEY_FILE: signing.keyFile,
        TPP_SIGNING_KID: signing.kid,
        TPP_SIGNING_ISS: signing.iss,
        TPP_SIGNING_TAN: signing.tan,
      },
    ],
    [
      'Its callback URL, and the server certificate for the receiver that listens there.',
      {
        TPP_CALLBACK_URL: tpp.callbackUrl,
        TPP_RECEIVER_CERTIFICATE_FILE: receiver.certificateFile,
        TPP_RECEIVER_KEY_FILE: receiver.keyFile,
      },
    ],
    ['The root of all certificates of the sandbox.', { SANDBOX_CA_FILE: tpp.caFile }],
    [
      'The bank: iss of its notifications, iss of its JOSE headers, and its keys. The JWKS needs no client certificate.',
      { BANK_ISSUER: bank.issuer, BANK_ORGANISATION_ID: bank.organisationId, BANK_JWKS_URL: bank.jwksUrl },
    ],
    [
      'Its authorisation server.',
      {
        BANK_AUTHORISATION_SERVER: bank.authorisationServer,
        BANK_DISCOVERY_URL: bank.discoveryUrl,
        BANK_TOKEN_ENDPOINT: bank.tokenEndpoint,
        BANK_SCOPES: bank.scopes,
      },
    ],
    [
      'Its APIs.',
      { BANK_API_URL: bank.apiUrl, BANK_API_URL_V31: bank.apiUrlV31, BANK_RESOURCE_SERVER: bank.resourceServer },
    ],
  ];
  const textOf = (variables: Readonly<Record<string, string>>) =>
    Object.entries(variables)
      .map(([name, value]) => `${name}=${quoted(value)}\n`)
      .join('');
  return sections.map(([comment, variables]) => `# ${comment}\n${textOf(variables)}`).join('\n');
}

/** Quotes of this kind mean the same to a shell and to Node.js, which reads no escapes between them. */
function quoted(value: string): string {
  return /^[\w./:@+-]*$/.test(value) ? value : `'${value}'`;
}
