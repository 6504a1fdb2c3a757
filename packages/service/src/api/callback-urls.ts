import assert from 'node:assert/strict';
import { type CallbackUrl, readCallbackUrl, writeCallbackUrl, writeCallbackUrls } from '@tidings/protocol';
import type { RegistrationToStore } from '../model/registration.ts';
import type { RegistrationResource } from './registrations.ts';

/** `callback-urls`: resource-update only, in real time only; superseded by an event subscription (rules, section 2). */
export const CALLBACK_URLS: RegistrationResource = {
  kind: 'callback-url',
  path: 'callback-urls',
  idName: 'CallbackUrlId',
  noun: 'callback URL',
  callbackUrlField: 'Data.Url',
  read: (body, { apiVersion }) => requestOf(readCallbackUrl(body, apiVersion)),
  // The body of PUT is that of POST: it names no id.
  readReplaced: (body, _id, { apiVersion }) => requestOf(readCallbackUrl(body, apiVersion)),
  write: (registration, self) => writeCallbackUrl(resourceOf(registration), self),
  writeList: (registrations, self) => writeCallbackUrls(registrations.map(resourceOf), self),
  factsOf: ({ callbackUrl, version }) => ({ url: callbackUrl, version }),
};

function requestOf({ url, version }: Pick<CallbackUrl, 'url' | 'version'>) {
  return { callbackUrl: url, version, eventTypes: undefined };
}

function resourceOf({ id, callbackUrl, version }: RegistrationToStore): CallbackUrl {
  assert(callbackUrl !== undefined, 'a callback URL resource has its URL');
  return { callbackUrlId: id, url: callbackUrl, version };
}
