import { isJsonObject } from '@tidings/protocol';
import type { Receiver } from './receiver.ts';

/** Result of an AWS Lambda function behind a function URL. The body is never binary. */
export interface LambdaResult {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const HOST = 'https://receiver.invalid';

/**
 * Adapts a receiver to AWS Lambda function URLs: `export const handler = lambdaHandler(receiver)`. It reads the payload
 * format 2.0, so it also serves HTTP APIs of the API Gateway. A body in base64, which Lambda makes of `application/jwt`,
 * is decoded first: the signature covers the bytes that the bank sent.
 *
 * The function URL must have the authorisation type NONE, because the bank does not sign requests for AWS. Memory is lost
 * when Lambda ends the environment: give the receiver a `seen` store that lasts. Does not route by the path.
 *
 * @returns a handler that rejects with a TypeError when the event is of another kind, such as payload format 1.0
 */
export function lambdaHandler(receiver: Receiver): (event: unknown) => Promise<LambdaResult> {
  return async (event) => {
    const response = await receiver.handle(toRequest(event));
    const headers = Object.fromEntries(response.headers);
    return { statusCode: response.status, headers, body: await response.text() };
  };
}

function toRequest(event: unknown): Request {
  const { rawPath, headers, requestContext, body, isBase64Encoded } = objectOf(event);
  const { method } = objectOf(objectOf(requestContext)['http']);
  if (typeof method !== 'string' || !isPath(rawPath)) throw new TypeError(OTHER_EVENT);
  const url = new URL(`${HOST}${rawPath}`);
  const names = headersOf(headers);
  // The Fetch API does not support every method (TRACE); all methods but POST get the same response.
  if (method !== 'POST') return new Request(url, { headers: names });
  const text = typeof body === 'string' ? body : '';
  return new Request(url, {
    method,
    headers: names,
    body: Buffer.from(text, isBase64Encoded === true ? 'base64' : 'utf8'),
  });
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/');
}

/** Lambda joins repeated headers with a comma, as the Fetch API does, and writes the names in lower case. */
function headersOf(given: unknown): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(objectOf(given))) {
    if (typeof value === 'string') headers.append(name, value);
  }
  return headers;
}

const OTHER_EVENT =
  'The event is not that of a function URL (payload format 2.0): requestContext.http.method, rawPath or headers is missing.';

function objectOf(value: unknown): Record<string, unknown> {
  if (isJsonObject(value)) return value;
  throw new TypeError(OTHER_EVENT);
}
