import type { JwsSigner } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { refuseOtherMethods } from './other-methods.ts';

export interface JwksOptions {
  /** Our public keys: the current one, and former ones that something may still have to be verified with. */
  readonly publicJwks: () => Promise<readonly object[]>;
  /** The signer of now. */
  readonly signer: () => JwsSigner;
  readonly clock: Clock;
}

const MAX_AGE_SECONDS = 60;

/** Publishes our JWKS, without a token: whoever verifies a SET may read it. */
export function registerJwksRoute(app: FastifyInstance, path: string, options: JwksOptions): void {
  const jwks = cachedJwks(options);
  app.get(path, async (_request, reply) => {
    const body = await jwks();
    return reply
      .header('content-type', 'application/jwk-set+json')
      .header('cache-control', `public, max-age=${MAX_AGE_SECONDS}`)
      .send(body);
  });
  refuseOtherMethods(app, path, ['GET']);
}

/** The document, made anew once a minute at most, and at once when another key signs: nobody may miss that one. */
function cachedJwks({ publicJwks, signer, clock }: JwksOptions): () => Promise<Buffer> {
  let cached: { kid: string; atMs: number; body: Promise<Buffer> } | undefined;
  return () => {
    const { kid } = signer();
    const nowMs = clock.monotonicMs();
    if (cached?.kid === kid && nowMs - cached.atMs < MAX_AGE_SECONDS * 1000) return cached.body;
    const body = publicJwks().then((keys) => Buffer.from(JSON.stringify({ keys })));
    const made = { kid, atMs: nowMs, body };
    cached = made;
    body.catch(() => {
      if (cached === made) cached = undefined;
    });
    return body;
  };
}
