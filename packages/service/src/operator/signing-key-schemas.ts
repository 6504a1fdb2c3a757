import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false };
const time = (description: string) => Type.String({ format: 'date-time', description });

/** What still depends on a key. */
const Dependents = Type.Object(
  {
    awaiting: Type.Integer({ minimum: 0, description: 'Awaiting notifications whose SET it signed' }),
    isAtLeast: Type.Boolean({
      description: 'true: so many are awaiting that only some were looked at, about the oldest; there may be more',
    }),
    oldest: Type.Optional(
      Type.Object({ jti: Type.String(), publishedAt: time('When its event was published') }, closed),
    ),
    evidence: Type.Boolean({
      description:
        'Whether notifications that are kept may have a SET of it. Their evidence holds the key, retired or not: it is never dropped',
    }),
  },
  closed,
);

/** One of our own signing keys, as the operator sees it. */
export const ShownSigningKey = Type.Object(
  {
    kid: Type.String(),
    thumbprint: Type.String({ description: 'SHA-256 thumbprint of the public key (RFC 7638), base64url' }),
    algorithm: Type.String(),
    state: Type.Enum(['next', 'current', 'former', 'withdrawn'], {
      description:
        'next: announced in the JWKS, signs nothing yet. current: signs. former: signed. withdrawn: taken out of the JWKS',
    }),
    since: Type.Optional(time('Since when it is in this state; absent where an older version did not keep it')),
    rotatableFrom: Type.Optional(time('Of a next key: when it has been announced for "signing.announcedMs"')),
    retiredAt: Type.Optional(time('When another key took its place')),
    stillUsedAt: Type.Optional(
      time('When an instance that lacks the current key last said that it still signs with this one'),
    ),
    isPublished: Type.Boolean({ description: 'Whether it is in the JWKS' }),
    publishedUntil: Type.Optional(
      time('Of a former key: until then at least, and longer while something that it may have signed is awaiting'),
    ),
    dependents: Dependents,
  },
  closed,
);
export type ShownSigningKey = Static<typeof ShownSigningKey>;

/** Our signing keys. */
export const SigningKeyList = Type.Object(
  {
    keys: Type.Array(ShownSigningKey, { description: 'current, next, former (the last first), withdrawn' }),
    thisInstance: Type.Object(
      {
        signsWith: Type.Optional(Type.String({ description: 'kid; absent when it has no key that it may sign with' })),
        holds: Type.Array(Type.String(), { description: 'kids whose private keys the instance that answers has' }),
        problem: Type.Optional(Type.String({ description: 'Why it does not sign with the current key' })),
      },
      { ...closed, description: 'The instance that answers' },
    ),
  },
  closed,
);
export type SigningKeyList = Static<typeof SigningKeyList>;

/** How a key is rotated or retired. */
export const KeyChange = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({ description: 'true: although it was not announced for long enough, or something depends on it' }),
    ),
  },
  closed,
);

/** What reloading the signing keys came to. */
export const ReloadedKey = Type.Object(
  {
    kid: Type.String({ description: 'The kid in use' }),
    changed: Type.Boolean({ description: 'Whether it is another one than before' }),
    announced: Type.Optional(Type.String({ description: 'The kid of a next key that is in the JWKS from now on' })),
  },
  closed,
);
