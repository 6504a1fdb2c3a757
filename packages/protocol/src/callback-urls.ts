import { type Static, Type } from 'typebox';
import { checkCallbackUrl } from './callback-url.ts';
import { checkVersion } from './event-subscriptions.ts';
import { LINKS_AND_META_UNREAD, Links, Meta } from './links-and-meta.ts';
import { fieldInvalid, readBody } from './read-body.ts';
import { shapeOf } from './shape.ts';
import type { ApiVersion } from './versions.ts';

const closed = { additionalProperties: false };
const data = { Url: Type.String({ maxLength: 2048 }), Version: Type.String({ minLength: 1, maxLength: 10 }) };
const identified = Type.Object({ CallbackUrlId: Type.String({ minLength: 1, maxLength: 40 }), ...data }, closed);
const envelope = { Links, Meta };

/** `OBCallbackUrl1`, the body of POST and PUT. */
export const OBCallbackUrl1 = Type.Object({ Data: Type.Object(data, closed) }, closed);

/** `OBCallbackUrlResponse1`, the answer to POST and PUT. */
export const OBCallbackUrlResponse1 = Type.Object({ Data: identified, ...envelope }, closed);
export type OBCallbackUrlResponse1 = Static<typeof OBCallbackUrlResponse1>;

const list = Type.Object({ CallbackUrl: Type.Optional(Type.Array(identified)) }, closed);

/** `OBCallbackUrlsResponse1`, the answer to GET: a list of zero or one. */
export const OBCallbackUrlsResponse1 = Type.Object({ Data: list, ...envelope }, closed);
export type OBCallbackUrlsResponse1 = Static<typeof OBCallbackUrlsResponse1>;

/** The part of an `OBCallbackUrlResponse1` that a TPP reads. */
export const CallbackUrlAnswer = Type.Object({ Data: identified, ...LINKS_AND_META_UNREAD }, closed);
/** The part of an `OBCallbackUrlsResponse1` that a TPP reads. */
export const CallbackUrlsAnswer = Type.Object({ Data: list, ...LINKS_AND_META_UNREAD }, closed);

/** The content of a POST or PUT of a callback URL, which receives resource-update events in real time only. */
export interface CallbackUrlRequest {
  readonly url: string;
  /** Lowest version of the resources that the TPP wants events about, such as `4.0`. */
  readonly version: string;
}

/** A callback URL as returned to the TPP. */
export interface CallbackUrl extends CallbackUrlRequest {
  /** 1 to 40 characters. */
  readonly callbackUrlId: string;
}

const shape = shapeOf(OBCallbackUrl1);

/** Reads the body of POST and PUT /callback-urls. @throws {ApiError} naming the field (rules, sections 2 and 7) */
export function readCallbackUrl(body: Uint8Array, apiVersion: ApiVersion): CallbackUrlRequest {
  const { Url, Version } = readBody(body, shape, 'Data.').Data;
  checkVersion(Version);
  const fault = checkCallbackUrl(Url, apiVersion);
  if (fault !== undefined) throw fieldInvalid('Data.Url', fault);
  return { url: Url, version: Version };
}

/** Writes the response body of POST and PUT. @param self absolute URI of the resource under the version called */
export function writeCallbackUrl(callbackUrl: CallbackUrl, self: string): OBCallbackUrlResponse1 {
  return { Data: dataOf(callbackUrl), Links: { Self: self }, Meta: {} };
}

/** Writes the response body of GET. */
export function writeCallbackUrls(callbackUrls: readonly CallbackUrl[], self: string): OBCallbackUrlsResponse1 {
  return { Data: { CallbackUrl: callbackUrls.map(dataOf) }, Links: { Self: self }, Meta: {} };
}

function dataOf({ callbackUrlId, url, version }: CallbackUrl): OBCallbackUrlResponse1['Data'] {
  return { CallbackUrlId: callbackUrlId, Url: url, Version: version };
}
