import type { LookupFunction } from 'node:net';

/** An address that was found to be allowed. */
export interface CheckedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Says where connections may go whose hosts a TPP chose. Errors are for the log, never for the TPP. */
export interface HostGuard {
  /**
   * Checks what can be told without looking anything up: an address in place of a name, and names that never are public.
   *
   * @param host as in a parsed URL
   * @throws {Error} when it is forbidden
   */
  checkHost(host: string): void;
  /**
   * Looks a host up and checks every address that it has: one that is forbidden refuses them all. Connections go to one of
   * these addresses and are not looked up again, so that nothing can change between the check and the connection.
   *
   * @throws {Error} when one is forbidden, or the host cannot be looked up
   */
  addressesOf(host: string): Promise<readonly CheckedAddress[]>;
}

/**
 * What sockets look hosts up with: they connect to one of the addresses that were checked, whatever DNS says a moment
 * later. Sockets do not ask it for an address in place of a name; that is for `checkHost`.
 */
export function checkedLookup(guard: Pick<HostGuard, 'addressesOf'>): LookupFunction {
  return (hostname, { all }, callback) => {
    guard.addressesOf(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error) => callback(error, ''),
    );
  };
}
