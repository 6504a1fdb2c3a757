/** The weight of a failed check for the tested side: it breaks the standard, departs from advice, or only differs. */
export type Severity = 'must' | 'should' | 'may';

/** One HTTP message as it was on the wire. Header names are in lower case; secrets are redacted before it gets here. */
export interface Message {
  /** `POST https://bank.example/path` of a request, `202 Accepted` of a response. */
  readonly startLine: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Decoded as UTF-8, cut off after a bound that the recorder sets. */
  readonly body: string;
}

/** One request with what came of it, seen by the runner as client or, for real-time delivery, as server. */
export interface Exchange {
  readonly role: 'client' | 'server';
  /** Tells the requests of one check apart, for people: `alg none`. */
  readonly label?: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly request: Message;
  /** Absent when there was none: then `error` says why. */
  readonly response?: Message;
  readonly error?: string;
}

/** The result of one check. */
export type Outcome =
  | { readonly kind: 'passed' }
  /** `expected` and `actual` are whole sentences or values, for people. */
  | { readonly kind: 'failed'; readonly expected: string; readonly actual: string }
  | { readonly kind: 'skipped'; readonly reason: string }
  /** The check itself could not be carried out, such as when the bank cannot be reached. Counts as a failure of the run. */
  | { readonly kind: 'error'; readonly message: string };

/** One rule of the standard that can be seen from outside, and how to look. */
export interface Check<Context> {
  /** Stable, unique and short: `POLL-04`. Reports and mutants name it. */
  readonly id: string;
  /** One sentence that says what a conforming side does. */
  readonly title: string;
  readonly severity: Severity;
  /** Where the rule is from: `Aggregated Polling Specification v3.1.11, Event Polling`, `RFC 8936, section 2.4`. */
  readonly source: string;
  /** The group in the report: `Registrations`, `Aggregated polling`. */
  readonly area: string;
  /** The rule and why it matters, in at most three sentences, where the title does not say it all. */
  readonly rule?: string;
  /** The change that the tested side has to make when the check fails, in one or two sentences. */
  readonly remedy?: string;
  /** Longest time that it may take. Default: that of the run. */
  readonly timeLimitMs?: number;
  /** @returns what was seen; thrown errors become the outcome `error` */
  readonly run: (context: Context) => Promise<Outcome>;
}

/** One check with its outcome and what went over the wire meanwhile. */
export interface CheckResult {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly source: string;
  readonly area: string;
  readonly rule?: string;
  readonly remedy?: string;
  readonly outcome: Outcome;
  /** Milliseconds since the Unix epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly exchanges: readonly Exchange[];
  /** How many exchanges between the first and the last were left out, because there were too many. Absent: none. */
  readonly exchangesOmitted?: number;
}

/** One run of the runner, as every report shows it. */
export interface Report {
  /** The side that was tested. */
  readonly side: 'aspsp' | 'tpp';
  /** The name of the tested side as the configuration gives it, and the URL that was tested. */
  readonly target: { readonly name: string; readonly url: string };
  /** The version of `@tidings/conformance`. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** In the order in which they ran. */
  readonly results: readonly CheckResult[];
}
