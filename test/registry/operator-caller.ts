import { Agent, request } from 'node:https';
import { assertDocumented } from '../openapi/documented.ts';

/** An answer of the operator API. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when there is none, or it is something else. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of an answer
  readonly body: any;
}

export interface CallOptions {
  /** Sent as JSON, unless it is text. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** False: no token is sent. */
  readonly withToken?: boolean;
}

export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

/** Calls over TLS that verifies the certificate. Every answer is checked against the operator's OpenAPI document. */
export function createCaller(target: { url: string; token: string; ca: string }): { call: Call; close(): void } {
  const agent = new Agent({ ca: target.ca, keepAlive: true });
  const send = (method: string, path: string, { body, headers, withToken = true }: CallOptions = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const sent = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
      const call = request(`${target.url}${path}`, {
        ...{ agent, method },
        headers: {
          ...(withToken && { authorization: `Bearer ${target.token}` }),
          ...(sent !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
      });
      call.on('response', async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        const isJson = /\bjson\b/.test(response.headers['content-type'] ?? '');
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, headers: received, text, body: isJson ? JSON.parse(text) : undefined });
      });
      call.on('error', reject);
      call.end(sent);
    });
  let document: Promise<Answer> | undefined;
  return {
    call: async (method, path, options) => {
      const answer = await send(method, path, options);
      document ??= send('GET', '/operator/v1/openapi/operator.json');
      assertDocumented((await document).body, method, path, answer);
      return answer;
    },
    close: () => agent.destroy(),
  };
}
