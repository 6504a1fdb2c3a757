/** The backlog of one TPP, as it is to stand in a store that no service has open. */
export interface Backlog {
  readonly clientId: string;
  readonly notifications: number;
  /**
   * `waiting`: each has failed once and waits for its second attempt. `offered`: each was offered in a poll and is withheld,
   * and no attempt was made. `acknowledged`: settled.
   */
  readonly state: 'waiting' | 'offered' | 'acknowledged';
  readonly publishedAtMs: number;
  /** When the second attempt is due, or the notification offered again, or when it was acknowledged. */
  readonly atMs: number;
  readonly isSuspended: boolean;
  /** When its callback URL, which is unresponsive then, is probed; undefined: it is responsive. */
  readonly probeAtMs: number | undefined;
}

/** The jti of one of them, from 1 on; the first notification that was published is the pattern, and not one of them. */
export function jtiInBacklog(at: number): string {
  return `backlog-${at}`;
}
