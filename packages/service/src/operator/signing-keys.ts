import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { StartUpError } from '../base/start-up-error.ts';
import { auditActorOf } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { forOperation } from './roles.ts';

/** What reloading the signing key came to. */
export const ReloadedKey = Type.Object(
  {
    kid: Type.String({ description: 'The kid in use' }),
    changed: Type.Boolean({ description: 'Whether it is another one than before' }),
  },
  { additionalProperties: false },
);

/** POST /operator/v1/signing-keys/reload: rotation without a restart. */
export function registerSigningKeyRoutes(app: FastifyInstance, options: OperatorOptions): void {
  const { reloadSigningKeys, store, clock } = options;
  app.post('/operator/v1/signing-keys/reload', forOperation('reloadSigningKeys'), async (request) => {
    if (reloadSigningKeys === undefined)
      throw new Problem(501, 'Signing keys cannot be reloaded here; restart the service.');
    try {
      const { kid, changed } = await reloadSigningKeys();
      request.log.info({ operator: request.operatorName, kid, changed }, 'signing key reloaded');
      if (changed) {
        const what = { action: 'signing-key-changed', subject: kid, detail: {}, after: { kid } };
        const entry = { ...auditActorOf(request), ...what };
        await store.audit({ ...entry, atMs: clock.nowMs() }).catch((error: unknown) => {
          request.log.error({ err: error, ...entry }, 'not kept in the audit');
        });
      }
      return { kid, changed };
    } catch (error) {
      if (!(error instanceof StartUpError)) throw error;
      request.log.warn({ operator: request.operatorName, why: error.message }, 'signing key not reloaded');
      throw new Problem(409, `${error.message} The key before it stays in use.`);
    }
  });
}
