import { until } from '@tidings/testing';
import { OPERATOR_TOKEN } from './bank.ts';

/** One event of the live stream. */
export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects
  readonly data: any;
}

/** A reader of the live stream, by the rules of the standard rather than by our own client. */
export interface StreamReader {
  readonly events: readonly StreamedEvent[];
  /** What came as it came. */
  text(): string;
  /** Resolves when this is so of what came. */
  until(isSo: (events: readonly StreamedEvent[]) => boolean, what: string): Promise<void>;
  /** Resolves when the service has ended it. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Follows the stream. @param lastId sent as `Last-Event-ID` */
export async function followStream(
  operatorUrl: string,
  query = '',
  lastId?: string,
  token = OPERATOR_TOKEN,
): Promise<StreamReader> {
  const abort = new AbortController();
  const answer = await fetch(`${operatorUrl}/operator/v1/stream${query}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastId !== undefined && { 'last-event-id': lastId }),
    },
    signal: abort.signal,
  });
  if (answer.status !== 200 || answer.body === null) throw new Error(`${answer.status}: ${await answer.text()}`);
  const events: StreamedEvent[] = [];
  let text = '';
  const { body } = answer;
  const ended = (async () => {
    let seen = 0;
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf('\n\n', seen); end >= 0; end = text.indexOf('\n\n', seen)) {
        const block = parseBlock(text.slice(seen, end));
        seen = end + 2;
        if (block !== undefined) events.push(block);
      }
    }
  })();
  ended.catch(() => undefined);
  return {
    events,
    ended,
    text: () => text,
    until: (isSo, what) => until(() => isSo(events), what),
    close: async () => {
      abort.abort();
      await ended.catch(() => undefined);
    },
  };
}

function parseBlock(block: string): StreamedEvent | undefined {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  const data = field('data');
  return data === undefined
    ? undefined
    : { id: field('id') ?? '', event: field('event') ?? '', data: JSON.parse(data) };
}
