import { getSystemErrorName } from 'node:util';
import type { Clock } from '../base/clock.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import type { SmtpServer } from './smtp-transport.ts';

export interface SmtpClientOptions extends SmtpServer {
  readonly clock: Pick<Clock, 'after'>;
}

/** A mail in plain text. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly messageId: string;
  /** Message-ID of the conversation that it belongs to. */
  readonly references?: string | undefined;
  readonly date: Date;
}

/** A mail that was not accepted. `message` is for the operator and holds no secret. */
export class SmtpError extends Error {
  override readonly name = 'SmtpError';
}

/** Sends mail by SMTP (RFC 5321). */
export interface SmtpClient {
  /** Resolves when the server has accepted the mail for every recipient. @throws {SmtpError} */
  send(mail: Mail): Promise<void>;
  /** Ends what is under way. */
  close(): void;
}

/**
 * Makes an SMTP client: TLS 1.2 or later, before the credentials and the mail; the server is always verified, whatever the
 * environment says. One deadline covers a sending. Each sending has a connection of its own.
 */
export function createSmtpClient(options: SmtpClientOptions): SmtpClient {
  const { timeoutMs, clock } = options;
  const closing = new AbortController();
  return {
    close: () => closing.abort(),
    send: async (mail) => {
      const { createSmtpTransport } = await import('./smtp-transport.ts');
      const transport = createSmtpTransport(options);
      const deadline = new AbortController();
      const cancel = clock.after(timeoutMs, () => deadline.abort());
      try {
        const { rejected } = await transport.sendMail({
          ...mail,
          to: [...mail.to],
          // Nobody's absence is answered (RFC 3834 section 5).
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.any([deadline.signal, closing.signal]),
        });
        if (rejected.length > 0)
          throw new SmtpError(`the server refused ${rejected.length} of ${mail.to.length} recipients`);
      } catch (error) {
        if (error instanceof SmtpError) throw error;
        // Each of the timeouts above is the same as the deadline, and may be the first to end.
        const isLate = deadline.signal.aborted || systemErrorCode(error) === 'ETIMEDOUT';
        if (isLate) throw new SmtpError(`no answer within ${timeoutMs} ms`, { cause: error });
        throw new SmtpError(whyOf(error), { cause: error });
      } finally {
        cancel();
        transport.close();
      }
    },
  };
}

/** Codes and words of our own only: the text of a server might repeat what it was sent. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the connection failed';
  const code = systemErrorCode(error) ?? 'the connection failed';
  if ('responseCode' in error && typeof error.responseCode === 'number') {
    return `the server answered ${error.responseCode} (${code})`;
  }
  // The library replaces the code of the system and of TLS by its own, and keeps the rest of the error.
  if ('errno' in error && typeof error.errno === 'number') return getSystemErrorName(error.errno);
  const isOfCertificate = /certificate|altname/i.test(error.message);
  return isOfCertificate ? `the certificate of the server is not trusted, or is of another name (${code})` : code;
}
