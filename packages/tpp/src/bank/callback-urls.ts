import {
  type CallbackUrl,
  CallbackUrlAnswer,
  type CallbackUrlRequest,
  CallbackUrlsAnswer,
  type OBCallbackUrlResponse1,
  shapeOf,
} from '@tidings/protocol';
import type { BankHttp } from './bank-http.ts';
import { createRegistrations, type Ensured, mapShaped, type RegistrationKind } from './registrations.ts';

/**
 * The TPP's callback URL at the bank (`OBCallbackUrl1`; rules, section 2); there is at most one. It brings
 * resource-update events in real time, and nothing by polling; an event subscription of the same TPP supersedes it.
 * Signatures and errors are those of `EventSubscriptions`.
 */
export interface CallbackUrls {
  /** Refused with 409 when there is one. @param callbackUrl `url` ends in the API version and `/event-notifications` */
  create(callbackUrl: CallbackUrlRequest): Promise<CallbackUrl>;
  /** The one, or undefined. */
  get(): Promise<CallbackUrl | undefined>;
  /** Replaces everything but the id. */
  replace(callbackUrl: CallbackUrl): Promise<CallbackUrl>;
  /** Neither the request nor the answer is signed. */
  delete(callbackUrlId: string): Promise<void>;
  /** Makes it so: creates, replaces what differs, or does nothing; as `EventSubscriptions.ensure`. */
  ensure(callbackUrl: CallbackUrlRequest): Promise<EnsuredCallbackUrl>;
}

/** The result of `callbackUrls.ensure`. */
export interface EnsuredCallbackUrl {
  readonly callbackUrl: CallbackUrl;
  readonly did: Ensured;
}

const shapeOfOne = shapeOf(CallbackUrlAnswer);
const shapeOfList = shapeOf(CallbackUrlsAnswer);

const KIND: RegistrationKind<CallbackUrlRequest, CallbackUrl> = {
  path: 'callback-urls',
  plural: 'callback URLs',
  idName: 'callbackUrlId',
  idOf: ({ callbackUrlId }) => callbackUrlId,
  postBody: bodyOf,
  // Without the id, which an event subscription's has.
  putBody: bodyOf,
  readOne: (value) => mapShaped(shapeOfOne(value), ({ Data }) => callbackUrlOf(Data)),
  readList: (value) => mapShaped(shapeOfList(value), ({ Data }) => (Data.CallbackUrl ?? []).map(callbackUrlOf)),
  isSame: (held, wanted) => held.url === wanted.url && held.version === wanted.version,
};

/** Makes the calls of the Callback URL API Profile. @param baseUrl without a slash at its end */
export function createCallbackUrls(http: BankHttp, baseUrl: string): CallbackUrls {
  const registrations = createRegistrations(http, baseUrl, KIND);
  return {
    create: registrations.create,
    get: registrations.get,
    replace: (callbackUrl) => registrations.replace(callbackUrl.callbackUrlId, callbackUrl),
    delete: registrations.delete,
    ensure: async (wanted) => {
      const { held, did } = await registrations.ensure(wanted);
      return { callbackUrl: held, did };
    },
  };
}

function bodyOf({ url, version }: CallbackUrlRequest): object {
  return { Data: { Url: url, Version: version } };
}

function callbackUrlOf({ CallbackUrlId, Url, Version }: OBCallbackUrlResponse1['Data']): CallbackUrl {
  return { callbackUrlId: CallbackUrlId, url: Url, version: Version };
}
