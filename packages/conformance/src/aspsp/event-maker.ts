import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Exchange } from '../model.ts';
import type { AspspConfig, EventMaking } from './config.ts';
import { WireClient, type WireScope } from './wire.ts';

/** An event that shall happen at the bank. */
export interface WantedEvent {
  readonly clientId: string;
  /** Such as `UK.OBIE.Resource-Update`. */
  readonly eventType: string;
}

/** Makes events happen at the bank. */
export interface EventMaker {
  /** Resolves once the bank was told. @throws {Error} when it could not be told; the message says why */
  make(event: WantedEvent, wire: WireScope): Promise<void>;
  close(): void;
}

/** Asks the person at the terminal to do something. Resolves when it is done. */
export type Ask = (request: string, signal: AbortSignal) => Promise<void>;

const OUTPUT_CHARS_MAX = 2000;

/**
 * Makes events as the configuration says. Texts may have placeholders: `{clientId}`, `{eventType}`, `{uuid}` (another one for
 * each event, the same within it) and `{now}` (RFC 3339).
 */
export function createEventMaker(
  { make }: NonNullable<AspspConfig['events']>,
  { clock, ask, requestMs }: { readonly clock: Clock; readonly ask: Ask; readonly requestMs: number },
): EventMaker {
  const fill = (event: WantedEvent) => {
    const values: Readonly<Record<string, string>> = {
      ...event,
      uuid: randomUUID(),
      now: new Date(clock.nowMs()).toISOString(),
    };
    return (text: string) => text.replaceAll(/\{(clientId|eventType|uuid|now)\}/g, (_all, name) => values[name] ?? '');
  };
  switch (make.kind) {
    case 'ask':
      return { make: (event, { signal }) => ask(fill(event)(make.text), signal), close: () => undefined };
    case 'command':
      return { make: (event, { signal }) => runCommand(make.argv.map(fill(event)), signal), close: () => undefined };
    case 'http': {
      const call = httpCaller(make, clock, requestMs);
      return { make: (event, wire) => call.send(fill(event), wire), close: call.close };
    }
  }
}

type HttpMaking = Extract<EventMaking, { kind: 'http' }>;

function httpCaller(making: HttpMaking, clock: Clock, timeoutMs: number) {
  const { caPem: ca, certificatePem: cert, keyPem: key, method } = making;
  const http = new WireClient({ ca, cert, key }, clock);
  return {
    close: () => http.close(),
    send: async (fill: (text: string) => string, wire: WireScope) => {
      const headers = Object.entries(making.headers).map(([name, value]) => [name, fill(value)] as const);
      const body = making.body === undefined ? undefined : fill(making.body);
      // How the bank lets events be made is its own matter, and may be known by a header or a query.
      const record = (exchange: Exchange) => wire.record(withoutHowItIsMade(exchange));
      const sent = { method, headers, body, timeoutMs };
      const { status } = await http.send(fill(making.url), sent, { record, signal: wire.signal });
      if (status < 200 || status > 299) {
        throw new Error(`The call that makes an event was answered with status ${status}: see events.make.`);
      }
    },
  };
}

function withoutHowItIsMade(exchange: Exchange): Exchange {
  const { request } = exchange;
  const headers = request.headers.map(
    ([name, value]) => [name, name === 'content-type' ? value : '[redacted]'] as const,
  );
  return {
    ...exchange,
    request: { ...request, headers, startLine: request.startLine.replace(/[?].*$/, '?[redacted]') },
  };
}

function runCommand(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = `${output}${text}`.slice(-OUTPUT_CHARS_MAX);
      });
    }
    child.on('error', (error) => reject(new Error(`The command that makes an event cannot be run: ${error.message}.`)));
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`The command that makes an event ended with ${code}: ${output.trim()}`));
    });
  });
}
