import {
  type CallbackUrl,
  type CallbackUrlRequest,
  readCallbackUrl,
  writeCallbackUrl,
  writeCallbackUrls,
} from '@tidings/protocol';
import type { KeptRegistration, RegistrationKind } from './registrations.ts';

type Kept = KeptRegistration<CallbackUrlRequest>;

/** `callback-urls`: resource-update only, in real time only; superseded by an event subscription (rules, section 2). */
export const CALLBACK_URLS: RegistrationKind<CallbackUrlRequest> = {
  path: 'callback-urls',
  idName: 'CallbackUrlId',
  noun: 'callback URL',
  callbackUrlField: 'Data.Url',
  callbackUrlOf: ({ url }) => url,
  read: (body, { apiVersion }) => readCallbackUrl(body, apiVersion),
  // The body of PUT is that of POST: it names no id.
  readReplaced: (body, _id, { apiVersion }) => readCallbackUrl(body, apiVersion),
  write: (registration, self) => writeCallbackUrl(resourceOf(registration), self),
  writeList: (registrations, self) => writeCallbackUrls(registrations.map(resourceOf), self),
  create: (store, registration, { nowMs, audit }) => store.createCallbackUrl(storedOf(registration), nowMs, audit),
  find: async (store, of) => {
    const found = await store.callbackUrlOf(of);
    if (found === undefined) return undefined;
    const { callbackUrlId: id, clientId, apiVersion, url, version } = found;
    return { id, clientId, apiVersion, request: { url, version } };
  },
  replace: (store, registration, { nowMs, audit }) => store.replaceCallbackUrl(storedOf(registration), nowMs, audit),
  remove: (store, { clientId, id, through }, { nowMs, audit }) =>
    store.deleteCallbackUrl(clientId, id, through, nowMs, audit),
};

function resourceOf({ id, request }: Kept): CallbackUrl {
  return { callbackUrlId: id, ...request };
}

function storedOf(registration: Kept) {
  const { clientId, apiVersion } = registration;
  return { ...resourceOf(registration), clientId, apiVersion };
}
