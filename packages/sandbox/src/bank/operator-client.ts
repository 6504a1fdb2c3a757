import { createTlsFetch } from '@tidings/tpp';
import type { EventToPublish } from '../resource-server/ledger.ts';

/** Outcome of publishing one event, as in the operator API. */
export interface PublishedOutcome {
  readonly id: string;
  readonly outcome: 'notification' | 'none';
  readonly jti?: string;
  readonly reason?: string;
  readonly repeated: boolean;
}

/** A notification as in the operator API; only the members that the sandbox reads. */
export interface ShownNotification {
  readonly jti: string;
  readonly state: string;
  readonly set?: string;
  readonly attempts: readonly {
    /** ISO 8601. */
    readonly startedAt: string;
    readonly outcome: string;
    readonly status?: number;
    readonly errorClass?: string;
    readonly durationMs: number;
    readonly interactionId: string;
  }[];
}

/** The bank's own systems as a client of the operator API. */
export interface OperatorClient {
  registerTpp(clientId: string, tpp: object): Promise<void>;
  removeTpp(clientId: string): Promise<void>;
  publish(event: EventToPublish): Promise<PublishedOutcome>;
  notification(jti: string): Promise<ShownNotification>;
  close(): void;
}

/**
 * Creates a client of the operator API, with a bearer token over TLS. Methods reject with the problem's text unless the
 * status is 2xx.
 */
export function createOperatorClient(options: { url: string; token: string; caPem: string }): OperatorClient {
  const tlsFetch = createTlsFetch({ transport: { caPem: options.caPem } });

  async function call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await tlsFetch(`${options.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${options.token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} returned ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  return {
    registerTpp: async (clientId, tpp) => {
      await call('PUT', `/operator/v1/tpps/${encodeURIComponent(clientId)}`, tpp);
    },
    removeTpp: async (clientId) => {
      await call('DELETE', `/operator/v1/tpps/${encodeURIComponent(clientId)}`);
    },
    publish: async (event) => {
      const { outcomes } = (await call('POST', '/operator/v1/events', event)) as { outcomes: PublishedOutcome[] };
      const [outcome] = outcomes;
      if (outcome === undefined) throw new Error('the operator API returned no outcome');
      return outcome;
    },
    notification: async (jti) =>
      (await call('GET', `/operator/v1/notifications/${encodeURIComponent(jti)}`)) as ShownNotification,
    close: () => tlsFetch.close(),
  };
}
