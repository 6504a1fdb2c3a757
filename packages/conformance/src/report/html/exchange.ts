import type { Exchange, Message } from '../../model.ts';
import { durationText, timeText } from '../summary.ts';
import { decodedJws } from './decoded.ts';
import { html, type Markup } from './markup.ts';

const LINE_CHARS_MAX = 120;

/** One request with its response, closed until the reader opens it. @param number from 1 */
export function exchangeSection(exchange: Exchange, number: number): Markup {
  const { request, response, role, label, error, durationMs, startedAtMs } = exchange;
  const answer = response?.startLine ?? 'no response';
  return html`<details class="exchange"><summary><span class="number">${number}</span> ${label !== undefined && html`<b>${label}:</b> `}<code>${cut(request.startLine)}</code> <span class="arrow">→</span> <code>${cut(answer)}</code> <span class="time">${durationText(durationMs)}</span></summary>
<p class="when">${timeText(startedAtMs)}, ${role === 'client' ? 'sent by the runner' : 'received by the runner'}</p>
<div class="messages">
${messageSection('Request', request)}
${response === undefined ? noResponse(error) : messageSection('Response', response)}
</div></details>
`;
}

function noResponse(error: string | undefined): Markup {
  return html`<section class="message"><h5>No response</h5><p>${error ?? 'No reason is known.'}</p></section>`;
}

function messageSection(heading: string, { startLine, headers, body }: Message): Markup {
  const head = headers.map(([name, value]) => html`<b>${name}</b>: ${value}\n`);
  return html`<section class="message"><h5>${heading}</h5>
<pre tabindex="0" role="group" aria-label="${heading}">${startLine}\n${head}${body !== '' && html`\n${body}`}</pre>
${decodedJws([...headers.map(([, value]) => value), body].join('\n')).map(
  ({ header, payload }) => html`<h5>Decoded ${payload === undefined ? 'detached signature' : 'token'}</h5>
<pre tabindex="0" role="group" aria-label="Decoded">${header}${payload !== undefined && html`\n${payload}`}</pre>`,
)}</section>`;
}

function cut(text: string): string {
  return text.length > LINE_CHARS_MAX ? `${text.slice(0, LINE_CHARS_MAX)}…` : text;
}
