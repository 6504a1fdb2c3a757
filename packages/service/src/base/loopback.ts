const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether nothing that is sent to a host leaves the machine. @param host a name or an address, as in a URL too */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}
