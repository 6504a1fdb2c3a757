import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { createSigner, importSigningKeys } from '@tidings/protocol';
import {
  type AuthorisationServer,
  createOperatorClient,
  type OperatorClient,
  openPki,
  type SandboxPki,
  startAuthorisationServer,
} from '@tidings/sandbox';
import { listenOn } from '@tidings/testing';
import { createBankClient, createReceiver, type EventNotification, nodeListener } from '@tidings/tpp';
import type { Mounts } from './container.ts';
import { readDockerfile } from './dockerfile.ts';

/** As they are in the configuration of `deploy/compose`. */
const AUDIENCE = 'https://bank.example/open-banking';
const CONFIG = 'deploy/compose/tidings.json';
const CLIENT = 'tpp-1';
const DATABASE_PASSWORD = 'of-the-image-test';

/** A brand of a bank beside its service: keys and certificates, authorisation server, and a TPP with a receiver. */
export class Brand {
  readonly issuer: string;
  readonly operatorToken = randomBytes(32).toString('base64url');
  readonly received: EventNotification[] = [];
  /** What the TPP waits for before it acknowledges. */
  gate: Promise<void> = Promise.resolve();
  readonly mounts: Mounts;
  readonly pki: SandboxPki;
  readonly #authorisationServer: AuthorisationServer;
  #receiver: Server | undefined;
  #published = 0;

  private constructor(issuer: string, mounts: Mounts, pki: SandboxPki, authorisationServer: AuthorisationServer) {
    this.issuer = issuer;
    this.mounts = mounts;
    this.pki = pki;
    this.#authorisationServer = authorisationServer;
  }

  /**
   * @param folder of the brand, which must not exist
   * @param store the section of its configuration
   */
  static async open(issuer: string, tree: string, folder: string, store: object): Promise<Brand> {
    const pki = await openPki({ folder: join(folder, 'pki'), nowMs: Date.now() });
    const { certificatePem, keyPem } = pki.bank.transport;
    const authorisationServer = await startAuthorisationServer({
      ...{ host: '127.0.0.1', port: 0, audience: AUDIENCE, accessTokenTtlSeconds: 3600 },
      tls: { certificatePem, keyPem, caPem: pki.root.certificatePem },
      signingKey: pki.bank.signing,
      clients: [{ clientId: CLIENT, scopes: ['accounts'], certificateSubjectDn: pki.tpp.transport.subjectDn }],
    });
    const [config, secrets, data] = ['config', 'secrets', 'data'].map((name) => join(folder, name));
    if (config === undefined || secrets === undefined || data === undefined) throw new Error('there are three folders');
    const brand = new Brand(issuer, { tree, config, secrets, data }, pki, authorisationServer);
    brand.#writeFiles(store);
    return brand;
  }

  /** The TPP registers its callback URL, and the bank its TPP. */
  async introduce(apiUrl: string, operatorUrl: string): Promise<void> {
    const { root, bank, tpp } = this.pki;
    const keys = await importSigningKeys({ keys: [bank.signing.publicJwk] });
    const receiver = createReceiver({
      ...{ issuer: this.issuer, clientId: CLIENT, keys, signer: bank.organisationId },
      onNotification: async (notification) => {
        this.received.push(notification);
        await this.gate;
      },
    });
    this.#receiver = createServer(
      { cert: tpp.transport.certificatePem, key: tpp.transport.keyPem },
      nodeListener(receiver),
    );
    const callbackUrl = `https://localhost:${await listenOn(this.#receiver)}/open-banking/v4.0/event-notifications`;
    const { organisationId, softwareStatementId, signing, transport } = tpp;
    const operator = this.operator(operatorUrl);
    await operator.registerTpp(CLIENT, {
      ...{ organisationId, softwareStatementId },
      jwks: { keys: [signing.publicJwk] },
    });
    operator.close();
    const identity = { kid: signing.kid, iss: `${organisationId}/${softwareStatementId}`, tan: 'openbanking.org.uk' };
    const client = createBankClient({
      ...{ clientId: CLIENT, issuer: this.#authorisationServer.issuer, baseUrl: `${apiUrl}/open-banking/v4.0` },
      transport: { ...transport, caPem: root.certificatePem },
      signer: await createSigner(identity, signing.keyPem),
      bank: { signer: bank.organisationId, keys },
    });
    await client.eventSubscriptions.create({ callbackUrl, version: '4.0' });
    client.close();
  }

  operator(url: string): OperatorClient {
    return createOperatorClient({ url, token: this.operatorToken, caPem: this.pki.root.certificatePem });
  }

  /** The bank's own systems publish an event for the TPP. @returns the jti of its notification */
  async publish(operatorUrl: string): Promise<string> {
    this.#published += 1;
    const id = `payment-${this.#published}`;
    const uri = `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${id}`;
    const operator = this.operator(operatorUrl);
    const { jti, outcome } = await operator.publish({
      ...{ id, clientId: CLIENT, occurredAt: new Date().toISOString(), transactionId: id },
      resource: { id, type: 'domestic-payment', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
      events: [{ type: 'UK.OBIE.Resource-Update' }],
    });
    operator.close();
    if (jti === undefined) throw new Error(`publishing made no notification: ${outcome}`);
    return jti;
  }

  async close(): Promise<void> {
    if (this.#receiver !== undefined) {
      this.#receiver.close();
      this.#receiver.closeAllConnections();
      await once(this.#receiver, 'close');
    }
    await this.#authorisationServer.close();
  }

  /** The configuration of `deploy/compose`, with the addresses of this machine; and its secrets. */
  #writeFiles(store: object): void {
    const { root, bank } = this.pki;
    const { config, secrets, data } = this.mounts;
    const [uid, gid] = readDockerfile().user.split(':').map(Number);
    for (const folder of [config, secrets, data]) mkdirSync(folder, { recursive: true });
    chownSync(data, uid ?? 0, gid ?? 0);
    const { certificateFile, keyFile } = bank.transport;
    const copied = {
      'transport.pem': certificateFile,
      'operator.pem': certificateFile,
      'ca.pem': root.certificateFile,
    };
    const keys = { 'transport.key': keyFile, 'operator.key': keyFile, 'signing.key': bank.signing.keyFile };
    for (const [name, file] of Object.entries({ ...copied, ...keys, 'tpp-roots.pem': root.certificateFile })) {
      copyFileSync(file, join(secrets, name));
    }
    const sha256 = createHash('sha256').update(this.operatorToken).digest('hex');
    const texts = {
      'database-password': DATABASE_PASSWORD,
      'session-key': randomBytes(32).toString('base64'),
      ...{ 'operator-token.sha256': `${sha256}\n`, 'prometheus-token.sha256': `${'ab'.repeat(32)}\n` },
    };
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(secrets, name), text);
    for (const name of Object.keys({ ...copied, ...keys, ...texts, 'tpp-roots.pem': '' })) {
      // As Kubernetes mounts secrets with fsGroup: the service may read them, and change nothing.
      chownSync(join(secrets, name), 0, gid ?? 0);
      chmodSync(join(secrets, name), 0o440);
    }
    const settings = JSON.parse(readFileSync(CONFIG, 'utf8'));
    Object.assign(settings, { store, issuer: this.issuer, organisationId: bank.organisationId });
    Object.assign(settings, {
      delivery: { caFile: '/run/secrets/ca.pem', callbackAddressesAllowed: ['127.0.0.0/8', '::1/128'] },
    });
    settings.signing.kid = bank.signing.kid;
    Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
    Object.assign(settings.operator, { host: '127.0.0.1', port: 0 });
    const { issuer, jwksUri } = this.#authorisationServer;
    Object.assign(settings.accessTokens, { issuer, jwksUrl: jwksUri });
    writeFileSync(join(config, 'tidings.json'), JSON.stringify(settings));
  }
}

/** The store of a brand that has a database of its own. @param url without a password */
export function postgresStore(url: string): object {
  return { url, passwordFile: '/run/secrets/database-password' };
}

export { DATABASE_PASSWORD };
