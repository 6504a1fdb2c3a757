import type { JwsSigner } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { rejectOtherMethods } from '../base/http-methods.ts';
import { methodNotAllowed } from './respond.ts';

export interface JwksOptions {
  /** Our public keys: the current one, the next one, and former ones that may still be needed for verification. */
  readonly publicJwks: () => Promise<readonly object[]>;
  /** The current signer. */
  readonly signer: () => JwsSigner;
  /** Changes when a key is announced or withdrawn; undefined if this instance does not learn of that. */
  readonly jwksRevision?: (() => string) | undefined;
  readonly clock: Clock;
}

const MAX_AGE_SECONDS = 60;

/** Publishes our JWKS. It needs no token: anyone who verifies a SET may read it. */
export function registerJwksRoute(app: FastifyInstance, path: string, options: JwksOptions): void {
  const jwks = cachedJwks(options);
  app.get(path, async (_request, reply) => {
    const body = await jwks();
    return reply
      .header('content-type', 'application/jwk-set+json')
      .header('cache-control', `public, max-age=${MAX_AGE_SECONDS}`)
      .send(body);
  });
  rejectOtherMethods(app, path, ['GET'], methodNotAllowed);
}

/** The JWKS, rebuilt at most once a minute, and at once when a key is announced, withdrawn, or becomes current. */
function cachedJwks({ publicJwks, signer, jwksRevision, clock }: JwksOptions): () => Promise<Buffer> {
  let cached: { revision: string; atMs: number; body: Promise<Buffer> } | undefined;
  return () => {
    const revision = `${signer().kid} ${jwksRevision?.()}`;
    const nowMs = clock.monotonicMs();
    if (cached?.revision === revision && nowMs - cached.atMs < MAX_AGE_SECONDS * 1000) return cached.body;
    const body = publicJwks().then((keys) => Buffer.from(JSON.stringify({ keys })));
    const made = { revision, atMs: nowMs, body };
    cached = made;
    body.catch(() => {
      if (cached === made) cached = undefined;
    });
    return body;
  };
}
