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
 * The TPP's callback URL at the bank (`OBCallbackUrl1`; rules, section 2). There is at most one. It receives
 * resource-update events in real time, and does not entitle the TPP to poll. An event subscription of the same TPP
 * supersedes it. Signatures and errors are as for `EventSubscriptions`.
 */
export interface CallbackUrls {
  /**
   * Registers a callback URL; rejected with 409 when one exists. @param callbackUrl `url` ends in the API version and
   * `/event-notifications`
   */
  create(callbackUrl: CallbackUrlRequest): Promise<CallbackUrl>;
  /** The registered callback URL, or undefined when there is none. */
  get(): Promise<CallbackUrl | undefined>;
  /** Replaces everything but the id. */
  replace(callbackUrl: CallbackUrl): Promise<CallbackUrl>;
  /** Deletes the callback URL. Neither the request nor the response is signed. */
  delete(callbackUrlId: string): Promise<void>;
  /**
   * Idempotent: creates the callback URL, replaces it when it differs, or leaves it. See `EventSubscriptions.ensure`.
   */
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
  // Without the id, unlike the body of an event subscription.
  putBody: bodyOf,
  readOne: (value) => mapShaped(shapeOfOne(value), ({ Data }) => callbackUrlOf(Data)),
  readList: (value) => mapShaped(shapeOfList(value), ({ Data }) => (Data.CallbackUrl ?? []).map(callbackUrlOf)),
  isSame: (held, wanted) => held.url === wanted.url && held.version === wanted.version,
};

/** Creates the client of the Callback URL API Profile. @param baseUrl without a trailing slash */
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
