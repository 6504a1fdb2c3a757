import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { TestContext } from 'node:test';
import type { Keyed, Pki } from './trust-pki.ts';

/** Sends a GET and gives the status. */
export async function get(
  t: TestContext,
  url: string,
  headers: OutgoingHttpHeaders | readonly string[],
  tls?: { readonly pki: Pki; readonly client?: Keyed },
): Promise<number | undefined> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { headers };
    if (tls === undefined) return void httpRequest(url, options, resolve).on('error', reject).end();
    const agent = new Agent({ ca: tls.pki.ca, cert: tls.client?.cert, key: tls.client?.key });
    t.after(() => agent.destroy());
    httpsRequest(url, { ...options, agent }, resolve)
      .on('error', reject)
      .end();
  });
  answer.resume();
  return answer.statusCode;
}
