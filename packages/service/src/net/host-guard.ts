/** An address that a guard has allowed. */
export interface CheckedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Decides where connections to hosts that a TPP chose may go. Errors are for the log, never for the TPP. */
export interface HostGuard {
  /**
   * Checks what needs no look-up: the port, an address in place of a name, and names that are never public.
   *
   * @throws {Error} when the URL is forbidden
   */
  checkUrl(url: URL): void;
  /**
   * Looks up a host and checks all its addresses: one that is forbidden refuses them all. Connections go to one of these
   * addresses without another look-up, so that nothing can change between the check and the connection.
   *
   * @throws {Error} when an address is forbidden, or the host cannot be looked up
   */
  addressesOf(host: string): Promise<readonly CheckedAddress[]>;
}
