const PRIVATE_AUTHORITY =
  "The server's certificate is not from an authority that Node.js trusts. " +
  'If it is from a private one, give the certificate of that authority as transport.caPem.';
const CLIENT_CERTIFICATE =
  'The server did not accept the connection: give the client certificate that it requires, with its chain, ' +
  'as transport.certificatePem and transport.keyPem.';
const NO_NAME = 'The host name was not found: check the URL and the name servers.';
const NO_ROUTE = 'The host cannot be reached from here: check the URL, the network and any firewall.';
const NO_TLS = 'The server does not speak TLS at this port: check the URL.';
const CLOSED = 'The server closed the connection. Some servers do so when they require a client certificate.';

const REMEDIES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: PRIVATE_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: PRIVATE_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: PRIVATE_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: PRIVATE_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: PRIVATE_AUTHORITY,
  CERT_HAS_EXPIRED: "The server's certificate has expired, or the clock of this machine is wrong.",
  CERT_NOT_YET_VALID: "The server's certificate is not valid yet, or the clock of this machine is wrong.",
  ERR_TLS_CERT_ALTNAME_INVALID: "The server's certificate is for another host name: check the URL.",
  ECONNREFUSED: 'Nothing listens there: check host and port of the URL, and that the server is running.',
  ECONNRESET: CLOSED,
  EPIPE: CLOSED,
  ENOTFOUND: NO_NAME,
  EAI_AGAIN: NO_NAME,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  ETIMEDOUT: NO_ROUTE,
  EPROTO: NO_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
};

/** OpenSSL names an alert of the server by its version and kind, such as `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`. */
const CERTIFICATE_ALERT =
  /^ERR_SSL_.*ALERT_(?:BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)/;

/**
 * One sentence for the message of an error: what failed, and the remedy where the code of Node.js tells it.
 *
 * @param code such as `ECONNREFUSED` or `CERT_HAS_EXPIRED`
 */
export function describeConnectionFault(code: string): string {
  const remedy = REMEDIES[code] ?? (CERTIFICATE_ALERT.test(code) ? CLIENT_CERTIFICATE : undefined);
  return `The connection failed (${code}).${remedy === undefined ? '' : ` ${remedy}`}`;
}
