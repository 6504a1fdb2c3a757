/** An address that was found to be allowed. */
export interface CheckedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Says where connections may go whose hosts a TPP chose. Errors are for the log, never for the TPP. */
export interface HostGuard {
  /**
   * Checks what can be told without looking anything up: the port, an address in place of a name, and names that never are
   * public.
   *
   * @throws {Error} when one is forbidden
   */
  checkUrl(url: URL): void;
  /**
   * Looks a host up and checks every address that it has: one that is forbidden refuses them all. Connections go to one of
   * these addresses and are not looked up again, so that nothing can change between the check and the connection.
   *
   * @throws {Error} when one is forbidden, or the host cannot be looked up
   */
  addressesOf(host: string): Promise<readonly CheckedAddress[]>;
}
