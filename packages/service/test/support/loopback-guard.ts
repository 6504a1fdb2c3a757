import { createAddressGuard } from '../../src/net/address-guard.ts';
import { createResolveHost } from '../../src/net/resolve-host.ts';

/** Lets connections go to the loopback, where the servers of tests are. */
export const loopbackGuard = createAddressGuard({
  allowed: ['127.0.0.0/8', '::1/128'],
  resolve: createResolveHost({ servers: [], timeoutMs: 1000 }),
});
