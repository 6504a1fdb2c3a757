import type { HttpsClient } from '../net/https-client.ts';
import type { Channel } from './channel.ts';
import { linesOf, type Message, titleOf, WRITTEN_OUT_MAX } from './message.ts';
import { post } from './webhook.ts';

/**
 * Posts messages to an incoming webhook of Slack, or of a system that accepts the same (Mattermost, Rocket.Chat).
 *
 * @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
export function createSlack({ url, https }: { readonly url: string; readonly https: HttpsClient }): Channel {
  return {
    close: () => https.close(),
    send: (_, messages) =>
      post(https, { url, body: slackBody(messages), headers: { 'content-type': 'application/json' } }),
  };
}

// Slack refuses a section with more than 3,000 characters, and a message with more than 50 blocks.
const SECTION_MAX = 2900;
const BLOCKS_MAX = 45;

/** The JSON of a message for Slack. Pure. `text` is what notifications on a phone show. */
export function slackBody(messages: readonly Message[]): string {
  const shown = messages.slice(0, Math.min(WRITTEN_OUT_MAX, BLOCKS_MAX));
  const more = messages.length - shown.length;
  const texts = [...shown.map(sectionOf), ...(more > 0 ? [`… and ${more} more: \`tidings alerts list\``] : [])];
  const blocks = texts.map((text) => ({ type: 'section', text: { type: 'mrkdwn', text } }));
  return JSON.stringify({ text: escaped(titleOf(messages)), blocks });
}

function sectionOf(message: Message): string {
  const icon = message.kind === 'recovered' ? ':white_check_mark:' : ':rotating_light:';
  const lines = linesOf(message).map(([label, value]) => {
    if (label === 'next') return `*next* \`${escaped(value).replaceAll('`', "'")}\``;
    return `*${escaped(label)}* ${escaped(value)}`;
  });
  return [`${icon} *${escaped(message.title)}*`, ...lines].join('\n').slice(0, SECTION_MAX);
}

/** Text of others must not mention people, link, or format: Slack escapes `&`, `<` and `>`; the rest loses its effect. */
function escaped(text: string): string {
  const plain = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return plain.replaceAll(/[*_~](?=\S)/g, '$&\u200b');
}
