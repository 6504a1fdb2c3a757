import { type Static, Type } from 'typebox';
import { readBody } from './read-body.ts';
import { shapeOf } from './shape.ts';

const jti = Type.String({ minLength: 1, maxLength: 128 });
// Spelt out, because the pattern that Type.String() stands for leaves out names with a line break.
const jtiAsName = Type.String({ pattern: '^[\\s\\S]{1,128}$' });
const reported = Type.Object({
  err: Type.String({ minLength: 1, maxLength: 40 }),
  description: Type.String({ minLength: 1, maxLength: 256 }),
});

/** Most `jti`s that one poll may acknowledge or report. */
export const REPORTS_PER_POLL_MAX = 10_000;

/** `OBEventPolling1`, the body of POST /events; every member is optional. */
export const OBEventPolling1 = Type.Object(
  {
    maxEvents: Type.Optional(Type.Integer({ minimum: 0 })),
    returnImmediately: Type.Optional(Type.Boolean()),
    ack: Type.Optional(Type.Array(jti, { maxItems: REPORTS_PER_POLL_MAX })),
    setErrs: Type.Optional(
      Type.Record(jtiAsName, reported, { maxProperties: REPORTS_PER_POLL_MAX, additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
);

/** `OBEventPollingResponse1`. `moreAvailable` is always there. */
export const OBEventPollingResponse1 = Type.Object(
  { sets: Type.Record(Type.String(), Type.String()), moreAvailable: Type.Boolean() },
  { additionalProperties: false },
);
export type OBEventPollingResponse1 = Static<typeof OBEventPollingResponse1>;

/** An error that a TPP reports for a SET. Both vocabularies of `err` occur, and codes of the TPP's own. */
export interface SetErrorReport {
  readonly jti: string;
  /** At most 40 characters. */
  readonly err: string;
  /** At most 256 characters. */
  readonly description: string;
}

/** A poll: acknowledge, report, ask for more. */
export interface Poll {
  /** Undefined: as many as the ASPSP gives by default. 0 acknowledges only. */
  readonly maxEvents: number | undefined;
  /** False asks for a long poll. */
  readonly returnImmediately: boolean;
  readonly acknowledged: readonly string[];
  /** Without those that are acknowledged in the same poll: the acknowledgement wins. */
  readonly errors: readonly SetErrorReport[];
}

const shape = shapeOf(OBEventPolling1);

/** Reads the body of POST /events. @throws {ApiError} naming the field (rules, sections 6 and 7) */
export function readPoll(body: Uint8Array): Poll {
  const { maxEvents, returnImmediately, ack = [], setErrs = {} } = readBody(body, shape, '');
  const acknowledged = new Set(ack);
  const errors = Object.entries(setErrs)
    .filter(([jti]) => !acknowledged.has(jti))
    .map(([jti, { err, description }]) => ({ jti, err, description }));
  // The profile does not say what leaving it out means; RFC 8936 section 2.2 has false as the default. A TPP that asks
  // for nothing in particular is answered at once, so that nobody is held who did not ask for it.
  return { maxEvents, returnImmediately: returnImmediately ?? true, acknowledged: [...acknowledged], errors };
}

/** Writes the body that answers a poll. @param sets compact JWS by `jti`, oldest first */
export function writePollResponse(
  sets: readonly { readonly jti: string; readonly set: string }[],
  moreAvailable: boolean,
): OBEventPollingResponse1 {
  return { sets: Object.fromEntries(sets.map(({ jti, set }) => [jti, set])), moreAvailable };
}
