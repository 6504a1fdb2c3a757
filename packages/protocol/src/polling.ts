import { type Static, Type } from 'typebox';
import { readBody } from './read-body.ts';
import { shapeOf } from './shape.ts';
import { isLongerThan } from './text.ts';

const ERR_CHARS_MAX = 40;
const DESCRIPTION_CHARS_MAX = 256;
const JTI_CHARS_MAX = 128;

const reported = Type.Object({
  err: Type.String({ minLength: 1, maxLength: ERR_CHARS_MAX }),
  description: Type.String({ minLength: 1, maxLength: DESCRIPTION_CHARS_MAX }),
});

/** Maximum number of `jti`s that one poll may acknowledge, and of errors that it may report. */
export const REPORTS_PER_POLL_MAX = 10_000;

// Size of one entry in a body. A jti of this service is a UUID; the texts of a report are full-length ASCII.
const ACKNOWLEDGEMENT_BYTES = '"00000000-0000-0000-0000-000000000000",'.length;
const REPORT_BYTES =
  ACKNOWLEDGEMENT_BYTES + '{"err":"","description":""},'.length + ERR_CHARS_MAX + DESCRIPTION_CHARS_MAX;
const OTHER_MEMBERS_BYTES = 1024;

/**
 * Maximum body of a poll. It holds as many acknowledgements and reports as the limits allow. Fewer reports fit if they
 * use characters outside ASCII or longer `jti`s, but always those of a thousand SETs.
 */
export const POLL_BODY_BYTES_MAX = REPORTS_PER_POLL_MAX * (ACKNOWLEDGEMENT_BYTES + REPORT_BYTES) + OTHER_MEMBERS_BYTES;

/** `OBEventPolling1`, the body of POST /events; every member is optional. */
export const OBEventPolling1 = Type.Object(
  {
    maxEvents: Type.Optional(Type.Integer({ minimum: 0 })),
    returnImmediately: Type.Optional(Type.Boolean()),
    // Of any length: an unknown jti is ignored without affecting the others.
    ack: Type.Optional(Type.Array(Type.String(), { maxItems: REPORTS_PER_POLL_MAX })),
    setErrs: Type.Optional(
      // An explicit pattern, because that of Type.String() does not match names with a line break.
      Type.Record(Type.String({ pattern: '^[\\s\\S]*$' }), reported, {
        maxProperties: REPORTS_PER_POLL_MAX,
        additionalProperties: false,
      }),
    ),
  },
  { additionalProperties: false },
);

/** `OBEventPollingResponse1`. `moreAvailable` is always present. */
export const OBEventPollingResponse1 = Type.Object(
  { sets: Type.Record(Type.String(), Type.String()), moreAvailable: Type.Boolean() },
  { additionalProperties: false },
);
export type OBEventPollingResponse1 = Static<typeof OBEventPollingResponse1>;

/** An error that a TPP reports for a SET. `err` comes from either vocabulary, or is a code of the TPP's own. */
export interface SetErrorReport {
  readonly jti: string;
  /** At most 40 characters. */
  readonly err: string;
  /** At most 256 characters. */
  readonly description: string;
}

/** A poll: acknowledges SETs, reports errors, and requests further SETs. */
export interface Poll {
  /** Maximum number of SETs to return; undefined for the ASPSP's default. 0 only acknowledges. */
  readonly maxEvents: number | undefined;
  /** False requests a long poll. */
  readonly returnImmediately: boolean;
  readonly acknowledged: readonly string[];
  /** Excludes SETs acknowledged in the same poll: the acknowledgement takes precedence. */
  readonly errors: readonly SetErrorReport[];
}

const shape = shapeOf(OBEventPolling1);

/** Reads the body of POST /events. @throws {ApiError} naming the field (rules, sections 6 and 7) */
export function readPoll(body: Uint8Array): Poll {
  const { maxEvents, returnImmediately, ack = [], setErrs = {} } = readBody(body, shape, '');
  const acknowledged = new Set(ack.filter(isJti));
  const errors = Object.entries(setErrs)
    .filter(([jti]) => isJti(jti) && !acknowledged.has(jti))
    .map(([jti, { err, description }]) => ({ jti, err, description }));
  // The profile defines no default; that of RFC 8936 section 2.2 is false. This service responds at once unless a long
  // poll is requested explicitly.
  return { maxEvents, returnImmediately: returnImmediately ?? true, acknowledged: [...acknowledged], errors };
}

function isJti(text: string): boolean {
  return text !== '' && !isLongerThan(text, JTI_CHARS_MAX);
}

/** Writes the response body of a poll. @param sets compact JWS by `jti`, oldest first */
export function writePollResponse(
  sets: readonly { readonly jti: string; readonly set: string }[],
  moreAvailable: boolean,
): OBEventPollingResponse1 {
  return { sets: Object.fromEntries(sets.map(({ jti, set }) => [jti, set])), moreAvailable };
}
