/** The listener of a running sandbox for developers: the bank's keys, a TPP of their own, and events at the bank. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isJsonObject } from '@tidings/protocol';
import { createTlsFetch } from '@tidings/tpp';
import { startHttpServer } from '../http-server.ts';
import { ControlError, type NewTpp, type OwnTpps } from '../own-tpps/own-tpps.ts';
import type { SandboxPki } from '../pki/pki.ts';
import { isChange } from '../resource-server/ledger.ts';
import type { Trigger, Triggered } from './trigger.ts';

/** Paths of the calls, which need the operator token. */
export const CONTROL_PATHS = { addTpp: '/sandbox/tpps', trigger: '/sandbox/triggers' } as const;

const BODY_BYTES_MAX = 65_536;

/** A listener without client certificates. */
export interface Control {
  /** The JWKS of the bank, for everybody. */
  readonly bankJwksUrl: string;
  /** Such as `https://localhost:8446`. */
  readonly url: string;
  /** Answers calls from now on; before, they wait. */
  serve(handlers: ControlHandlers): void;
  close(): Promise<void>;
}

/** The work of the calls. */
export interface ControlHandlers {
  readonly add: OwnTpps['add'];
  readonly trigger: (wanted: Trigger) => Promise<Triggered>;
}

export interface ControlOptions {
  readonly host: string;
  readonly port: number;
  readonly pki: SandboxPki;
  /** Where the service publishes its keys, with mutual TLS. */
  readonly jwksUrl: string;
  readonly token: string;
}

/**
 * Starts the listener. The bank's JWKS is public here, as in the Directory's keystore. The service itself requires a client
 * certificate for everything, which a TPP may not have at hand where it verifies.
 *
 * @throws the error of `listen` with its code, such as `EADDRINUSE`
 */
export async function startControl({ host, port, pki, jwksUrl, token }: ControlOptions): Promise<Control> {
  const { certificatePem, keyPem } = pki.bank.transport;
  const bank = createTlsFetch({ transport: { certificatePem, keyPem, caPem: pki.root.certificatePem } });
  const handlers = Promise.withResolvers<ControlHandlers>();
  const call = (work: (body: Body, handlers: ControlHandlers) => Promise<object>) =>
    listener(async (request) => {
      if (!isToken(request, token))
        return { status: 401, body: { message: 'The operator token is missing or wrong.' } };
      return { status: 200, body: await work(await readBody(request), await handlers.promise) };
    });
  const jwksPath = `/keystore/${pki.bank.organisationId}.jwks`;
  const jwks = listener(async () => {
    const answer = await bank(jwksUrl);
    return { status: answer.status, body: await answer.json() };
  });
  const server = await startHttpServer({
    ...{ host, port, tls: { certificatePem, keyPem } },
    endpoints: [
      { method: 'GET', path: jwksPath, answer: jwks },
      { method: 'POST', path: CONTROL_PATHS.addTpp, answer: call((body, { add }) => add(newTppOf(body))) },
      { method: 'POST', path: CONTROL_PATHS.trigger, answer: call((body, { trigger }) => trigger(triggerOf(body))) },
    ],
  });
  const url = `https://localhost:${server.port}`;
  return {
    ...{ url, bankJwksUrl: `${url}${jwksPath}`, serve: handlers.resolve },
    close: async () => {
      bank.close();
      await server.close();
    },
  };
}

type Body = Readonly<Record<string, unknown>>;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function listener(answer: (request: IncomingMessage) => Promise<Answer>): RequestListener {
  return (request, response) => {
    void answer(request)
      .catch((error: unknown): Answer => {
        const message = error instanceof Error ? error.message : String(error);
        // This is a tool of one developer on one machine, who is told what went wrong.
        return { status: error instanceof ControlError ? 400 : 500, body: { message } };
      })
      .then((sent) => send(response, sent));
  };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

function isToken({ headers }: IncomingMessage, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(headers.authorization ?? ''), hash(`Bearer ${token}`));
}

/** @throws {ControlError} */
async function readBody(request: IncomingMessage): Promise<Body> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += chunk;
    if (text.length > BODY_BYTES_MAX) throw new ControlError('The body is too long.');
  }
  try {
    const json: unknown = JSON.parse(text);
    if (isJsonObject(json)) return json;
  } catch {
    // What is not JSON is not an object either.
  }
  throw new ControlError('The body must be a JSON object.');
}

function newTppOf({ callbackUrl, clientId }: Body): NewTpp {
  if (typeof callbackUrl !== 'string') throw new ControlError('callbackUrl must be a string.');
  return { callbackUrl, clientId: optionalString('clientId', clientId) };
}

function triggerOf({ kind, clientId }: Body): Trigger {
  if (!isChange(kind)) throw new ControlError('kind must be one of those that "tidings trigger --help" lists.');
  return { kind, clientId: optionalString('clientId', clientId) };
}

function optionalString(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new ControlError(`${name} must be a string.`);
}
