import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { testPki } from './pki.ts';

/** An answer whose body was read. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Opens a request that the caller writes and ends itself, so that it can drip or stop. */
export async function open(
  url: string,
  headers: Record<string, string | string[]>,
  method = 'POST',
): Promise<ClientRequest> {
  const { caPem } = await testPki();
  return request(url, { method, headers, ca: caPem, agent: false });
}

/** The answer to a request, or the error that it came to. */
export async function answerTo(outgoing: ClientRequest): Promise<Answer> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
  });
  let body = '';
  for await (const chunk of incoming.setEncoding('latin1')) body += String(chunk);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body };
}
