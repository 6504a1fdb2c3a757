/**
 * Answers of oidc-provider's questions about the client certificate of a connection (RFC 8705). TLS ends in this process, so
 * the socket knows it.
 */

import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type DistinguishedName, sameDistinguishedName, subjectOf } from '../pki/distinguished-name.ts';

/**
 * The certificate that the client presented on this connection, or `undefined`. It is not a statement that it
 * is trusted.
 */
export function peerCertificate(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}

/** Whether the handshake verified that certificate up to the server's root. */
export function isPeerCertificateAuthorised(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.authorized;
}

/** Whether the subject of the connection's certificate is the registered one, RDN by RDN (RFC 8705 section 2.1). */
export function peerSubjectMatches(socket: Socket, registered: DistinguishedName): boolean {
  const certificate = peerCertificate(socket);
  return certificate !== undefined && sameDistinguishedName(subjectOf(certificate.toString()), registered);
}
