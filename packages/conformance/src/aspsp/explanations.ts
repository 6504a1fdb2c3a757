import type { Check } from '../model.ts';

/** The parts of a check that its title leaves out: why the rule matters, and the change that a bank has to make. */
type Explanation = Pick<Check<never>, 'rule' | 'remedy'>;

/** Explanations by id of the check, where the title does not say it all. */
export const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  'ACC-01': {
    rule: 'TPPs authenticate with a transport certificate. A token alone must be of no use to whoever has stolen it.',
    remedy: 'Demand a client certificate in the TLS handshake, or answer 401 where a gateway passes none on.',
  },
  'ACC-05': {
    rule: 'A token holds the SHA-256 of the certificate that it was issued for (cnf.x5t#S256). The resource server compares it with the certificate of the connection.',
    remedy: 'Compare the thumbprint of the presented certificate with cnf.x5t#S256 of the token, on every request.',
  },
  'ACC-06': {
    rule: 'The event endpoints take tokens with one of the scopes accounts, payments and fundsconfirmations.',
  },
  'HTTP-03': {
    rule: 'The TPP quotes x-fapi-interaction-id when it reports a problem, so every answer has one.',
    remedy: 'Make a random UUID for each request that brings none.',
  },
  'HTTP-06': {
    rule: 'Links.Self of a created event subscription points to a URL that has PUT and DELETE, and no GET.',
  },
  'HTTP-12': {
    rule: 'The event APIs have no idempotency key. A bank that honours one hides a conflict from the TPP.',
  },
  'HTTP-16': {
    rule: 'Two servers that disagree about where a message ends can be made to take a part of it for another request.',
    remedy: 'Refuse a request with both Transfer-Encoding and Content-Length, and close the connection.',
  },
  'SUB-04': {
    rule: 'There is at most one event subscription for each client_id. To change it, the TPP uses PUT.',
  },
  'SUB-11': {
    rule: 'The standard keeps 404 for URLs that do not exist. An id that the bank does not know is a request that cannot be served: 400 with Resource.NotFound.',
  },
  'SUB-13': {
    rule: 'The standard keeps 404 for URLs that do not exist. An id that the bank does not know is a request that cannot be served: 400 with Resource.NotFound.',
  },
  'SUB-14': {
    rule: 'Left out and empty both stand for all event types. What the TPP sent is what it reads back.',
  },
  'SUB-15': {
    rule: 'Left out and empty both stand for all event types. What the TPP sent is what it reads back.',
  },
  'SUB-24': {
    rule: 'Version is the lowest version of the resources that the TPP wants events about. One that the bank does not have would never match.',
  },
  'VER-01': {
    rule: 'A TPP that has moved to v4.0 must not be served by what it used before. Through v3.1 its registration is not there (an empty list), or forbidden (403).',
  },
  'VER-02': {
    rule: 'A registration that was created through a newer version must not be changed through an older one.',
    remedy: 'Keep the version of the API that created a registration, apart from Data.Version, and answer 403.',
  },
  'VER-03': {
    rule: 'A registration that was created through a newer version must not be deleted through an older one.',
    remedy: 'Keep the version of the API that created a registration, apart from Data.Version, and answer 403.',
  },
  'ERR-11': {
    rule: 'A body with an empty list of Errors, or without it, is not an OBErrorResponse1. Where there is no code, send no body.',
  },
  'SIG-03': {
    rule: 'Without verification, anybody who gets a TPP’s token and certificate can send its events elsewhere.',
    remedy: 'Verify the signature over the bytes that were received, before anything is read from the body.',
  },
  'SIG-09': {
    rule: 'JSON that is parsed and written again differs in spaces, escapes and order, so that good signatures fail.',
    remedy: 'Keep the bytes of the body as they came, and verify those.',
  },
  'SIG-12': {
    rule: 'A verifier that lets the header choose the algorithm can be led to use the public key as a shared secret.',
    remedy: 'Fix the algorithm to PS256; never choose it by the header.',
  },
  'SIG-17': {
    rule: 'A valid signature of somebody else is not the signature of the client that holds the token.',
    remedy: 'Look kid up among the keys of the authenticated client only.',
  },
  'SIG-25': {
    rule: 'crit lists exactly the three members of the standard. A verifier must refuse what it does not understand (RFC 7515).',
  },
  'SIG-26': {
    rule: 'A key that comes with the message proves nothing, and an address to fetch it from lets a stranger choose where the bank connects to.',
    remedy: 'Refuse jwk, jku, x5u, x5c and every other member that the standard does not list; fetch nothing.',
  },
  'SIG-27': {
    rule: 'b64: false belongs to resources v3.1.2 and v3.1.3. From v3.1.4 on the member must be absent.',
  },
  'RSP-08': {
    rule: 'The TPP verifies the bytes that it receives. A proxy that compresses, or writes the JSON again, breaks every signature.',
  },
  'ISO-02': {
    rule: 'The owner of a registration is the client_id of the token, and never what the request says.',
    remedy: 'Compare the owner of the registration with the client_id of the token, and answer 403.',
  },
  'ISO-03': {
    rule: 'The owner of a registration is the client_id of the token, and never what the request says.',
    remedy: 'Compare the owner of the registration with the client_id of the token, and answer 403.',
  },
  'ISO-06': {
    rule: 'Otherwise one client could make the events of another one vanish.',
    remedy: 'Apply ack and setErrs to the notifications of the calling client_id alone; ignore every other jti.',
  },
  'SET-11': {
    rule: 'aud is a text here, though RFC 7519 allows a list.',
  },
  'SET-13': {
    rule: 'A notification may be collected long after it was made, so it has no end.',
  },
  'SET-17': {
    rule: 'rlk holds the links to all versions of the resource that the bank supports, so that the TPP can choose.',
  },
  'POLL-06': {
    rule: 'With maxEvents 0 a TPP acknowledges what it has, when it cannot take more.',
  },
  'POLL-11': {
    rule: 'The answer to a poll may be lost. Only an acknowledgement ends the offer, unless the bank documents that it expects none.',
  },
  'POLL-13': {
    rule: 'Awaiting are the events that have not been acknowledged, or have been reported as errors. A report asks for help; it is no acknowledgement.',
    remedy: 'Record the report for the operators, and go on offering the SET.',
  },
  'POLL-16': {
    rule: 'A TPP may acknowledge twice, or after the bank has deleted the event.',
  },
  'POLL-32': {
    rule: 'Event types other than resource-update came with v3.1.2.',
  },
  'RT-01': {
    rule: 'The registered URL already ends in /event-notifications. Nothing is appended to it.',
  },
  'RT-10': {
    rule: 'The TPP recognises duplicates by jti, whichever way they come.',
    remedy: 'Make the claims once for each notification, and keep them over every attempt and every poll.',
  },
  'RT-20': {
    rule: 'A TPP with both would get each event twice, or at an endpoint that it has left.',
  },
  'RT-31': {
    rule: 'Echoing the header is the duty of the TPP. The notification was received all the same.',
    remedy: 'Take 202 for an acknowledgement, and record the breach for the operators.',
  },
  'RT-33': {
    rule: '202 says that the TPP has taken the notification over. Another 2xx may come from a proxy or a default page.',
    remedy: 'Treat every status but 202 as a failed attempt.',
  },
  'RT-35': {
    rule: 'A redirect would lead notifications to a URL that nobody has registered.',
    remedy: 'Switch redirects off in the HTTP client, and treat them as failed attempts.',
  },
  'RT-42': {
    rule: 'The retry policy defines an exponential backoff, a maximum of retries and a maximum interval. Retries at a fixed rate keep a struggling TPP down.',
    remedy: 'Double the wait after each attempt, up to a maximum, with some randomness.',
  },
  'RT-44': {
    rule: 'At the limit of its policy the bank declares the callback URL unresponsive and ceases.',
  },
  'RT-45': {
    rule: 'An unresponsive callback URL must not lose an event: it stays awaiting until it is acknowledged either way.',
  },
};
