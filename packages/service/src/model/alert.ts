/** The kinds of alerts. */
export const ALERT_KINDS = [
  'tpp-failing',
  'tpp-unresponsive',
  'certificate-expires',
  'tpp-certificate-expires',
  'tpp-revoked',
  'signing-key-expires',
  'store-nearly-full',
  'backlog',
  'cannot-sign',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** The kinds of messages: that an alert was raised, by its kind, or that it is over. */
export const MESSAGE_KINDS = [...ALERT_KINDS, 'recovered'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** Whether a text is one of the kinds. */
export function isMessageKind(text: string): text is MessageKind {
  return MESSAGE_KINDS.some((kind) => kind === text);
}

/** Whether a text is a kind of alert. */
export function isAlertKind(text: string): text is AlertKind {
  return ALERT_KINDS.some((kind) => kind === text);
}

/** Something that an operator has to know, for as long as it holds. */
export interface AlertCondition {
  /** Identifies its cause. At most one alert with a key is open: a condition with the same key and another kind takes its place. */
  readonly key: string;
  readonly kind: AlertKind;
  /** A client_id, a setting, or an instance; empty: the service as a whole. */
  readonly subject: string;
  /** Undefined: since it was first found. */
  readonly sinceMs: number | undefined;
  /** One sentence on why. It may hold text that a TPP chose, which is for display only. */
  readonly why: string;
  /** Further facts by their names, as an operator reads them. */
  readonly facts: Readonly<Record<string, string | number>>;
}

/** A condition that was found, and what became of it. */
export interface Alert extends AlertCondition {
  readonly id: string;
  readonly sinceMs: number;
  readonly raisedAtMs: number;
  /** When the condition was last found to hold. */
  readonly seenAtMs: number;
  /** Undefined: it still holds. */
  readonly clearedAtMs: number | undefined;
}

/** A message about an alert for one destination. */
export interface AlertMessage {
  readonly destination: string;
  readonly kind: MessageKind;
  /** Attempts to send it so far. */
  readonly attempts: number;
  /** Undefined: it has not been sent. */
  readonly sentAtMs: number | undefined;
  /** Why the last attempt failed; undefined: none has failed since it was last sent. */
  readonly error: string | undefined;
}

/** An alert with the messages about it. */
export interface AlertWithMessages extends Alert {
  readonly messages: readonly AlertMessage[];
}
