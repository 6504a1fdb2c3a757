import { Type } from 'typebox';

const closed = { additionalProperties: false };
const uri = Type.String({ format: 'uri' });
const time = Type.String({ format: 'date-time' });

/** `Links` of the official schemas. This project sends only `Self`, because a list of zero or one has no pages. */
export const Links = Type.Object(
  {
    Self: uri,
    First: Type.Optional(uri),
    Prev: Type.Optional(uri),
    Next: Type.Optional(uri),
    Last: Type.Optional(uri),
  },
  closed,
);

/** `Meta` of the official schemas. This project sends an empty object. */
export const Meta = Type.Object(
  {
    TotalPages: Type.Optional(Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647 })),
    FirstAvailableDateTime: Type.Optional(time),
    LastAvailableDateTime: Type.Optional(time),
  },
  closed,
);

/**
 * `Links` and `Meta` of a response that is read: not validated, because ASPSPs add members of their own, and not used.
 */
export const LINKS_AND_META_UNREAD = { Links: Type.Optional(Type.Unknown()), Meta: Type.Optional(Type.Unknown()) };
