import { createTransport } from 'nodemailer';

// Apart from the client, which loads it with the first mail: most services send none.

/** A server, and how it is reached. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** `starttls`: nothing is sent before the connection is upgraded. `tls`: TLS from the start. */
  readonly encryption: 'starttls' | 'tls';
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
  /** Root certificates, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  /** Deadline for the whole of a sending, from the look-up to the server's acceptance. */
  readonly timeoutMs: number;
}

/** Makes a transport with TLS 1.2 or later before the credentials and the mail, and a connection of its own for each sending. */
export function createSmtpTransport({ host, port, encryption, credentials, ca, timeoutMs }: SmtpServer) {
  return createTransport({
    host,
    port,
    secure: encryption === 'tls',
    requireTLS: true,
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) },
    ...(credentials && { auth: { user: credentials.user, pass: credentials.password } }),
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
    // A text is never taken for the name of a file or URL.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
}
