import { importSigningKeys, type SigningKeySet } from '@tidings/protocol';

/** What of a registered TPP its keys depend on. */
interface TppWithKeys {
  readonly clientId: string;
  readonly jwks: unknown;
}

/** Gives the signing keys of one registered TPP. */
export type TppKeys = (tpp: TppWithKeys) => Promise<SigningKeySet>;

const TPPS_CACHED_MAX = 10_000;

/**
 * Keeps imported key sets, since importing costs more than verifying. An entry holds as long as the TPP's JWKS is the
 * same; the oldest entries are dropped beyond a bound.
 */
export function createTppKeys(): TppKeys {
  const cached = new Map<string, { jwksText: string; keys: SigningKeySet }>();
  return async (tpp) => {
    const jwksText = JSON.stringify(tpp.jwks);
    const found = cached.get(tpp.clientId);
    if (found?.jwksText === jwksText) return found.keys;
    const keys = await importSigningKeys(tpp.jwks);
    cached.delete(tpp.clientId);
    cached.set(tpp.clientId, { jwksText, keys });
    const oldest = cached.keys().next();
    if (cached.size > TPPS_CACHED_MAX && !oldest.done) cached.delete(oldest.value);
    return keys;
  };
}
