import { randomUUID } from 'node:crypto';

/** What the calls of {@link CALLS} find in the service. */
export interface World {
  /** jti of a notification that was acknowledged. */
  readonly jti: string;
  /** A software statement assertion of the configured directory. */
  readonly softwareStatement: string;
}

/** One call of an operation, which its least role allows. */
export interface ExampleCall {
  /** Its least role, written down a second time, so that nobody changes it unnoticed; `nobody`: it needs no token. */
  readonly role: 'viewer' | 'operator' | 'administrator' | 'publisher' | 'nobody';
  /** What stands for `{name}` in its path. */
  readonly path?: (world: World) => Readonly<Record<string, string>>;
  /** With `?`. */
  readonly query?: string;
  /** A text is sent as it is. */
  readonly body?: (world: World) => object | string;
  /** Default: application/json. */
  readonly contentType?: string;
  /** The answer does not end: only its head is looked at. */
  readonly isEndless?: boolean;
  /** What it is answered when it is allowed. Default: 200. */
  readonly status?: number;
  /** Why a change is not in the audit. Whatever is not a GET must be there unless this says why. */
  readonly notAudited?: string;
}

const tpp = (clientId: string) => () => ({ clientId });
const notification = ({ jti }: World) => ({ jti });
const TPP = { organisationId: 'o', softwareStatementId: 's', jwksUrl: 'https://keys.example/jwks' };
const EVENT = {
  ...{ clientId: 'tpp-a', occurredAt: '2025-01-02T03:04:05Z', events: [{ type: 'UK.OBIE.Resource-Update' }] },
  resource: { id: 'p', type: 'domestic-payment', version: '4.0', uri: 'https://b.example/p', links: [] as object[] },
};
EVENT.resource.links.push({ version: 'v4.0', link: EVENT.resource.uri });

/** A call of every operation of the operator API, by operationId. TPPs with other names than tpp-a are each one's own. */
export const CALLS: Readonly<Record<string, ExampleCall>> = {
  publishEvents: { role: 'publisher', body: () => ({ ...EVENT, id: randomUUID() }), notAudited: 'it is the traffic' },

  listTpps: { role: 'viewer', query: '?limit=2' },
  getTpp: { role: 'viewer', path: tpp('tpp-a') },
  getTppRegistrations: { role: 'viewer', path: tpp('tpp-a') },
  getTppKeys: { role: 'viewer', path: tpp('tpp-a') },
  suspendTpp: { role: 'operator', path: tpp('tpp-suspend') },
  resumeTpp: { role: 'operator', path: tpp('tpp-resume') },
  // Allowed, and not unresponsive: 409. What it does when it is, is tested with callback URLs.
  recoverCallbackUrl: {
    ...{ role: 'operator', path: tpp('tpp-a'), body: () => ({ how: 'responsive' }), status: 409 },
    notAudited: 'nothing was to be recovered',
  },
  putTpp: { role: 'administrator', path: tpp('tpp-put'), body: () => TPP, status: 204 },
  removeTpp: { role: 'administrator', path: tpp('tpp-remove'), status: 204 },
  importTpp: {
    role: 'administrator',
    body: ({ softwareStatement }) => ({ softwareStatement, clientId: 'tpp-import' }),
  },

  searchNotifications: { role: 'viewer', query: '?clientId=tpp-a&limit=2' },
  getNotification: { role: 'viewer', path: notification },
  getEvidence: { role: 'viewer', path: notification },
  redeliver: { role: 'operator', body: ({ jti }) => ({ jtis: [jti] }) },
  // Redelivered by the call before, so that it is awaiting.
  withdraw: { role: 'operator', body: ({ jti }) => ({ jtis: [jti] }) },

  backUp: { role: 'administrator', isEndless: true },

  getStatus: { role: 'viewer' },
  listAlerts: { role: 'viewer', query: '?state=open&limit=2' },
  // There is no such destination: 404. What it does when there is, is tested with alerts.
  testAlertDestination: {
    ...{ role: 'operator', body: () => ({ destination: 'nobody' }), status: 404 },
    notAudited: 'nothing was sent',
  },
  listInstances: { role: 'viewer' },
  listFindings: { role: 'viewer' },
  getConfiguration: { role: 'viewer' },
  listCertificates: { role: 'viewer' },
  listAudit: { role: 'viewer', query: '?limit=2' },
  listArchivableAudit: { role: 'viewer', query: '?before=2025-01-02T03:04:05Z&limit=2' },
  // There is none that old: 409. What it does when there is, is tested with the audit.
  dropAudit: {
    ...{ role: 'administrator', status: 409, notAudited: 'nothing was dropped' },
    body: () => {
      const sha256 = '0'.repeat(64);
      return { ids: ['1'], before: '2025-01-02T03:04:05Z', sha256, archiveSha256: sha256 };
    },
  },

  // Those that were withdrawn and published by the calls before.
  exportData: { role: 'administrator', body: () => ({ clientId: 'tpp-a' }) },
  erase: { role: 'administrator', body: () => ({ resourceId: 'p', undelivered: 'expire' }) },

  followStream: { role: 'viewer', isEndless: true },
  getStatistics: { role: 'viewer', query: '?resolution=minute' },
  listTppStatistics: { role: 'viewer', query: '?limit=2' },

  listRegistrations: { role: 'viewer', query: '?limit=2' },
  listCallbackUrls: { role: 'viewer', query: '?limit=2' },
  // It only polls, so that it has none.
  getCallbackUrl: { role: 'viewer', path: tpp('tpp-a'), status: 404 },

  listSigningKeys: { role: 'viewer' },
  getSigningKey: { role: 'viewer', path: () => ({ kid: 'bank-signing-1' }) },
  // The current one, so that nothing changes. What they do with others is tested with signing keys.
  rotateSigningKey: {
    ...{ role: 'administrator', path: () => ({ kid: 'bank-signing-1' }) },
    notAudited: 'it signs already',
  },
  retireSigningKey: {
    ...{ role: 'administrator', path: () => ({ kid: 'bank-signing-1' }), status: 409 },
    notAudited: 'the current one cannot be retired',
  },
  reloadSigningKeys: { role: 'administrator', notAudited: 'it is the same key' },

  getMetrics: { role: 'viewer' },
  isAlive: { role: 'nobody' },
  isReady: { role: 'nobody' },

  showDocuments: { role: 'nobody' },
  getTppFacingDocument: { role: 'nobody' },
  getOperatorDocument: { role: 'nobody' },
};

/** TPPs that must be there before the calls. */
export const TPPS_BEFORE = ['tpp-suspend', 'tpp-resume', 'tpp-remove'];
/** Of them, those that are suspended. */
export const SUSPENDED_BEFORE = ['tpp-resume'];
