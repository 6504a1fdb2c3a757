import { isLoopback } from '../base/ip-address.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { Config } from './schema.ts';

/**
 * Refuses an operator listener that anybody could call, or that others on the network could listen to.
 *
 * @throws {StartUpError}
 */
export function refuseOpenOperator({ operator }: Config, source: string): void {
  const { host, tls, isBehindProxy, tokens, oidc } = operator;
  if (tokens.length === 0 && oidc === undefined) {
    throw new StartUpError(
      `${source}: the operator API would be open to everybody; give "operator.tokens" or "operator.oidc".`,
    );
  }
  if (oidc !== undefined && Object.keys(oidc.roles).length === 0) {
    throw new StartUpError(`${source}: "operator.oidc.roles" gives nobody a role; map at least one.`);
  }
  if (tls?.clientCrlFile !== undefined && tls.clientCaFile === undefined) {
    throw new StartUpError(
      `${source}: "operator.tls.clientCrlFile" goes with "operator.tls.clientCaFile"; without it no client certificate is asked for.`,
    );
  }
  if (tls === undefined && !isLoopback(host) && !isBehindProxy) {
    throw new StartUpError(
      `${source}: "operator.host" (${host}) is not loopback, so operator tokens would cross the network in clear; ` +
        'give "operator.tls", listen on 127.0.0.1, or state with "operator.isBehindProxy" that a proxy ends TLS in front.',
    );
  }
}
