import type { OperatorRole } from '../config/schema-operator.ts';

/**
 * The least role of every operation of the operator API, and nothing else decides who may do what: the routes and the
 * OpenAPI document both read it here, and a route without a line here keeps the service from starting.
 *
 * viewer < operator < administrator. `publisher` stands beside them: of all operations it may do those that say so, which an
 * operator may do too. `nobody`: no token is needed.
 */
export const LEAST_ROLES = {
  publishEvents: 'publisher',

  listTpps: 'viewer',
  getTpp: 'viewer',
  getTppRegistrations: 'viewer',
  suspendTpp: 'operator',
  resumeTpp: 'operator',
  bringBackCallbackUrl: 'operator',
  // Who may call the TPP-facing API, and with which keys.
  putTpp: 'administrator',
  removeTpp: 'administrator',
  importTpp: 'administrator',

  listRegistrations: 'viewer',
  listCallbackUrls: 'viewer',
  getCallbackUrl: 'viewer',

  searchNotifications: 'viewer',
  getNotification: 'viewer',
  getEvidence: 'viewer',
  redeliver: 'operator',
  withdraw: 'operator',

  // All that there is, in one file.
  backUp: 'administrator',

  getStatus: 'viewer',
  listAudit: 'viewer',
  listArchivableAudit: 'viewer',
  // What is gone is in the archive alone.
  dropAudit: 'administrator',

  followStream: 'viewer',
  getStatistics: 'viewer',

  listSigningKeys: 'viewer',
  getSigningKey: 'viewer',
  reloadSigningKeys: 'administrator',
  rotateSigningKey: 'administrator',
  retireSigningKey: 'administrator',

  getMetrics: 'viewer',
  // A load balancer has no token, and is told nothing but this.
  isAlive: 'nobody',
  isReady: 'nobody',

  // A browser sends no bearer token with a link, and the documents hold nothing that the developer portal and this
  // project's sources do not tell: no token, key, TPP or event.
  showDocuments: 'nobody',
  getTppFacingDocument: 'nobody',
  getOperatorDocument: 'nobody',
} as const satisfies Record<string, LeastRole>;

/** What an operation demands of whoever calls it. */
export type LeastRole = OperatorRole | 'nobody';
/** `operationId` in the OpenAPI document. */
export type OperationId = keyof typeof LEAST_ROLES;

// The highest first: of several roles the call is noted under the highest.
const ALLOWED: Readonly<Record<OperatorRole, readonly OperatorRole[]>> = {
  viewer: ['administrator', 'operator', 'viewer'],
  operator: ['administrator', 'operator'],
  administrator: ['administrator'],
  publisher: ['administrator', 'operator', 'publisher'],
};

/** Which of the roles that a caller has lets it do what needs a role; undefined when none does. */
export function roleThatAllows(least: OperatorRole, roles: readonly OperatorRole[]): OperatorRole | undefined {
  return ALLOWED[least].find((role) => roles.includes(role));
}

/** Says in the options of a route which operation it is, and so which role it needs. */
export function forOperation(operationId: OperationId): { readonly config: { readonly operationId: OperationId } } {
  return { config: { operationId } };
}
