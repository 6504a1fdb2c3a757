/** A refused call: problem details (RFC 9457) of the operator API. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly field: string | undefined;

  constructor(status: number, detail: string, field?: string) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** The service could not be reached at all. */
export class Offline extends Error {
  override readonly name = 'Offline';

  constructor() {
    super('The service cannot be reached from this browser. It is tried again by itself.');
  }
}

/** Reads the problem of a refused call; an answer that is none comes of a proxy in between. */
export function problemOf(status: number, body: unknown): ApiProblem {
  const { detail, field } = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const text = typeof detail === 'string' ? detail : `The answer was ${status}, without a reason.`;
  return new ApiProblem(status, text, typeof field === 'string' ? field : undefined);
}
