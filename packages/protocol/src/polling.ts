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

/** Most `jti`s that one poll may acknowledge, and most that it may report. */
export const REPORTS_PER_POLL_MAX = 10_000;

// What one of each takes in a body: a jti of ours is a UUID, and the texts of a report have their full length in ASCII.
const ACKNOWLEDGEMENT_BYTES = '"00000000-0000-0000-0000-000000000000",'.length;
const REPORT_BYTES =
  ACKNOWLEDGEMENT_BYTES + '{"err":"","description":""},'.length + ERR_CHARS_MAX + DESCRIPTION_CHARS_MAX;
const OTHER_MEMBERS_BYTES = 1024;

/**
 * Largest body of a poll: whoever sends as many acknowledgements and reports as the limits allow is within it. In other
 * characters than ASCII, or under longer `jti`s, fewer reports fit: those of a thousand SETs do in any case.
 */
export const POLL_BODY_BYTES_MAX = REPORTS_PER_POLL_MAX * (ACKNOWLEDGEMENT_BYTES + REPORT_BYTES) + OTHER_MEMBERS_BYTES;

/** `OBEventPolling1`, the body of POST /events; every member is optional. */
export const OBEventPolling1 = Type.Object(
  {
    maxEvents: Type.Optional(Type.Integer({ minimum: 0 })),
    returnImmediately: Type.Optional(Type.Boolean()),
    // Of any length: what is no jti of ours is ignored, and takes nothing with it.
    ack: Type.Optional(Type.Array(Type.String(), { maxItems: REPORTS_PER_POLL_MAX })),
    setErrs: Type.Optional(
      // Spelt out, because the pattern that Type.String() stands for leaves out names with a line break.
      Type.Record(Type.String({ pattern: '^[\\s\\S]*$' }), reported, {
        maxProperties: REPORTS_PER_POLL_MAX,
        additionalProperties: false,
      }),
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
  const acknowledged = new Set(ack.filter(isJti));
  const errors = Object.entries(setErrs)
    .filter(([jti]) => isJti(jti) && !acknowledged.has(jti))
    .map(([jti, { err, description }]) => ({ jti, err, description }));
  // The profile does not say what leaving it out means; RFC 8936 section 2.2 has false as the default. A TPP that asks
  // for nothing in particular is answered at once, so that nobody is held who did not ask for it.
  return { maxEvents, returnImmediately: returnImmediately ?? true, acknowledged: [...acknowledged], errors };
}

function isJti(text: string): boolean {
  return text !== '' && !isLongerThan(text, JTI_CHARS_MAX);
}

/** Writes the body that answers a poll. @param sets compact JWS by `jti`, oldest first */
export function writePollResponse(
  sets: readonly { readonly jti: string; readonly set: string }[],
  moreAvailable: boolean,
): OBEventPollingResponse1 {
  return { sets: Object.fromEntries(sets.map(({ jti, set }) => [jti, set])), moreAvailable };
}
