export { type AddressAttempt, type AddressRace, raceAddresses } from './address-race.ts';
export { decodeBase64url, encodeBase64url } from './base64url.ts';
export { checkCallbackUrl } from './callback-url.ts';
export {
  type CallbackUrl,
  CallbackUrlAnswer,
  type CallbackUrlRequest,
  CallbackUrlsAnswer,
  OBCallbackUrl1,
  OBCallbackUrlResponse1,
  OBCallbackUrlsResponse1,
  readCallbackUrl,
  writeCallbackUrl,
  writeCallbackUrls,
} from './callback-urls.ts';
export {
  type AffectedResource,
  buildSetClaims,
  type ClaimsInput,
  type EventContent,
  type EventSubject,
  parseSetClaims,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  type ResourceLink,
  type SetClaims,
  SUBJECT_TYPE,
} from './claims.ts';
export { sameDistinguishedName } from './distinguished-name.ts';
export {
  API_ERRORS,
  ApiError,
  type ApiErrorCode,
  type ApiErrorDetail,
  CODES_NEVER_SENT,
  type ErrorBodyV31,
  type ErrorBodyV40,
  errorBody,
} from './errors.ts';
export {
  type EventSubscription,
  EventSubscriptionAnswer,
  type EventSubscriptionRequest,
  EventSubscriptionsAnswer,
  OBEventSubscription1,
  OBEventSubscriptionResponse1,
  OBEventSubscriptionsResponse1,
  type RegistrationRules,
  readEventSubscription,
  readReplacedEventSubscription,
  writeEventSubscription,
  writeEventSubscriptions,
} from './event-subscriptions.ts';
export {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  EventTypeCatalogue,
  type EventTypeFilter,
  type EventTypeRule,
  filterEventTypes,
  type OwnEventType,
  RESOURCE_UPDATE,
  standardEventType,
  VRP_LINKED_ACCOUNT_UPDATE,
} from './event-types.ts';
export {
  FINANCIAL_ID_HEADER,
  INTERACTION_ID_HEADER,
  interactionIdOf,
  isUuid,
  SET_MEDIA_TYPE,
  SIGNATURE_HEADER,
} from './fapi.ts';
export { type MessageFault, type MessageHead, messageFault } from './http-message.ts';
export {
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  type HeaderExpectations,
  type JoseHeader,
  type SignerIdentity,
} from './jose-header.ts';
export {
  JWS_CHARS_MAX,
  type JwsSigner,
  SIGNATURE_TYPES,
  signCompact,
  signDetached,
  type VerifyExpectations,
  verifyCompact,
  verifyDetached,
  verifyPs256,
} from './jws.ts';
export { JwsError, type JwsErrorCode } from './jws-error.ts';
export {
  importSigningKeys,
  JWKS_KEYS_MAX,
  JwksError,
  type KeySource,
  keysOfJwks,
  rsaJwkFault,
  rsaKeyFault,
  type SigningKeySet,
  type VerificationKey,
  withoutRevokedKeys,
} from './keys.ts';
export { isIdentityEncoding, isUtf8, type MediaType, parseMediaType } from './media-type.ts';
export {
  OBEventPolling1,
  OBEventPollingResponse1,
  POLL_BODY_BYTES_MAX,
  type Poll,
  REPORTS_PER_POLL_MAX,
  readPoll,
  type SetErrorReport,
  writePollResponse,
} from './polling.ts';
export { retryAfterMs } from './retry-after.ts';
export { SET_TYPES_ACCEPTED, type SetExpectations, signSet, type VerifiedSet, verifySet } from './set.ts';
export { SET_ERROR_CODES, SetError, type SetErrorCode } from './set-errors.ts';
export { type Shaped, type ShapeFault, shapeOf } from './shape.ts';
export { createSigner, SigningKeyError } from './signer.ts';
export {
  type CreateSigningProvider,
  type ProviderKey,
  type SigningProvider,
  SigningProviderError,
  type SigningProviderFault,
} from './signing-provider.ts';
export {
  isJsonObject,
  JSON_DEPTH_MAX,
  parseStrictJson,
  StrictJsonError,
  type StrictJsonOptions,
} from './strict-json.ts';
export { cutText, fitText, isLongerThan, textFault } from './text.ts';
export {
  API_VERSIONS,
  type ApiVersion,
  compareVersions,
  coversResourceVersion,
  isVersion,
  SPECIFICATION_VERSION_MAX,
} from './versions.ts';
