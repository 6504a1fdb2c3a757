import { Type } from 'typebox';

const closed = { additionalProperties: false };
const uri = Type.String({ format: 'uri' });
const time = Type.String({ format: 'date-time' });

/** `Links` of the official schemas. Our own have `Self` alone: a list of zero or one has no pages. */
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

/** `Meta` of the official schemas. Our own is empty. */
export const Meta = Type.Object(
  {
    TotalPages: Type.Optional(Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647 })),
    FirstAvailableDateTime: Type.Optional(time),
    LastAvailableDateTime: Type.Optional(time),
  },
  closed,
);

/** `Links` and `Meta` as a reader takes them: ASPSPs put members of their own there, and nothing is read off them. */
export const LINKS_AND_META_UNREAD = { Links: Type.Optional(Type.Unknown()), Meta: Type.Optional(Type.Unknown()) };
