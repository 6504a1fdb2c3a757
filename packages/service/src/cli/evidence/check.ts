/** What one check of an evidence file came to. */
export interface Check {
  readonly check: 'format' | 'hash' | 'signature' | 'key' | 'identity' | 'times' | 'attempts' | 'acknowledgement';
  /** `none`: there is nothing of this kind in the file, and it does not say that there is. */
  readonly outcome: 'passed' | 'failed' | 'none';
  /** What was checked, or what is wrong; one clause. */
  readonly detail: string;
}
