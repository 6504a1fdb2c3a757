import type { Clock } from '../base/clock.ts';
import { type SmtpClient, SmtpError } from '../net/smtp-client.ts';
import type { Channel } from './channel.ts';
import { type Message, textOf, titleOf } from './message.ts';

export interface EmailOptions {
  readonly from: string;
  readonly to: readonly string[];
  readonly smtp: SmtpClient;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** Sends messages by e-mail, in plain text. */
export function createEmail({ from, to, smtp, clock }: EmailOptions): Channel {
  return {
    close: async () => smtp.close(),
    send: async (sendingId, messages) => {
      try {
        await smtp.send({ from, to, ...mailOf(sendingId, messages, from), date: new Date(clock.nowMs()) });
        return { kind: 'sent' };
      } catch (error) {
        if (!(error instanceof SmtpError)) throw error;
        return { kind: 'failed', error: error.message };
      }
    },
  };
}

/**
 * Subject, text and Message-ID. Pure. The id is the same at each attempt, so that mail systems recognise duplicates; all mails
 * about one alert are one conversation.
 */
function mailOf(sendingId: string, messages: readonly Message[], from: string) {
  const [only, ...others] = messages;
  const domain = from.slice(from.lastIndexOf('@') + 1);
  return {
    subject: `[Tidings] ${titleOf(messages)}`,
    text: textOf(messages),
    messageId: `<${sendingId}@${domain}>`,
    references: only === undefined || others.length > 0 ? undefined : `<alert-${only.alertId}@${domain}>`,
  };
}
