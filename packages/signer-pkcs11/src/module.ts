import pkcs11 from 'pkcs11js';
import type { OpenRequest } from './messages.ts';

/** Why the module did not do what it was asked. */
export class ModuleError extends Error {
  override readonly name = 'ModuleError';
  readonly fault: 'unavailable' | 'denied';
  readonly isPinRefused: boolean;

  constructor(
    fault: 'unavailable' | 'denied',
    message: string,
    options: ErrorOptions & { isPinRefused?: boolean } = {},
  ) {
    super(message, options);
    this.fault = fault;
    this.isPinRefused = options.isPinRefused ?? false;
  }
}

const PIN_REFUSED = new Set(['CKR_PIN_INCORRECT', 'CKR_PIN_LOCKED', 'CKR_PIN_EXPIRED', 'CKR_USER_PIN_NOT_INITIALIZED']);
const DENIED = new Set([
  ...['CKR_KEY_FUNCTION_NOT_PERMITTED', 'CKR_KEY_TYPE_INCONSISTENT', 'CKR_KEY_SIZE_RANGE'],
  ...['CKR_MECHANISM_INVALID', 'CKR_MECHANISM_PARAM_INVALID'],
]);
// RFC 7518 section 3.5. The digest is made by the caller: every module has this mechanism, and less is sent to it.
const PSS = {
  mechanism: pkcs11.CKM_RSA_PKCS_PSS,
  parameter: {
    type: pkcs11.CK_PARAMS_RSA_PSS,
    hashAlg: pkcs11.CKM_SHA256,
    mgf: pkcs11.CKG_MGF1_SHA256,
    saltLen: 32,
  },
};
const SIGNATURE_BYTES_MAX = 1024;

interface Connection {
  readonly slot: Buffer;
  /** It keeps the login, and finds keys. */
  readonly session: Buffer;
  /** Idle sessions, one for each signature at a time. */
  readonly idle: Buffer[];
  readonly keys: Map<string, Buffer>;
}

/** One PKCS #11 module, connected to one token. After a failure that is no refusal, it must not be used again. */
export class Module {
  readonly #library = new pkcs11.PKCS11();
  #connection: Connection | undefined;

  /** Finds the one private key with a label. @throws {ModuleError} */
  open(request: OpenRequest): { modulus: Uint8Array; publicExponent: Uint8Array } {
    return this.#guarded(() => {
      this.#connection ??= this.#connect(request);
      const { session, keys } = this.#connection;
      const [key, another] = this.#find(session, request.key);
      if (key === undefined) throw new ModuleError('denied', `the token has no private key labelled "${request.key}"`);
      if (another !== undefined) {
        throw new ModuleError('denied', `the token has several private keys labelled "${request.key}"`);
      }
      const [modulus, publicExponent] = this.#library
        .C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_MODULUS }, { type: pkcs11.CKA_PUBLIC_EXPONENT }])
        .map(({ value }) => value);
      if (!Buffer.isBuffer(modulus) || !Buffer.isBuffer(publicExponent)) {
        throw new ModuleError('denied', `the key labelled "${request.key}" is not an RSA key`);
      }
      keys.set(request.key, key);
      return { modulus, publicExponent };
    });
  }

  /** Signs a SHA-256 digest with a key that was opened. @throws {ModuleError} */
  async sign(name: string, digest: Uint8Array): Promise<Uint8Array> {
    const connection = this.#connection;
    const key = connection?.keys.get(name);
    if (connection === undefined || key === undefined)
      throw new ModuleError('unavailable', 'the token is not connected');
    const session = this.#guarded(() => {
      const idle = connection.idle.pop() ?? this.#openSession(connection.slot);
      this.#library.C_SignInit(idle, PSS, key);
      return idle;
    });
    try {
      const room = Buffer.alloc(SIGNATURE_BYTES_MAX);
      const signature = await this.#library.C_SignAsync(session, Buffer.from(digest), room);
      connection.idle.push(session);
      return signature;
    } catch (error) {
      throw faultOf(error);
    }
  }

  #connect({ libraryFile, tokenLabel, pin }: OpenRequest): Connection {
    this.#library.load(libraryFile);
    this.#library.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK });
    const slot = this.#library
      .C_GetSlotList(true)
      .find((each) => this.#library.C_GetTokenInfo(each).label.trim() === tokenLabel);
    if (slot === undefined) throw new ModuleError('unavailable', `there is no token labelled "${tokenLabel}"`);
    const session = this.#openSession(slot);
    this.#library.C_Login(session, pkcs11.CKU_USER, pin);
    return { slot, session, idle: [], keys: new Map() };
  }

  #openSession(slot: Buffer): Buffer {
    return this.#library.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION);
  }

  #find(session: Buffer, label: string): readonly Buffer[] {
    this.#library.C_FindObjectsInit(session, [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
      { type: pkcs11.CKA_LABEL, value: label },
    ]);
    try {
      return this.#library.C_FindObjects(session, 2);
    } finally {
      this.#library.C_FindObjectsFinal(session);
    }
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw faultOf(error);
    }
  }
}

/** The meaning of a failure of the library. */
function faultOf(error: unknown): ModuleError {
  if (error instanceof ModuleError) return error;
  const code = error instanceof Error ? error.message : String(error);
  if (PIN_REFUSED.has(code)) {
    return new ModuleError('denied', `the token refuses the PIN: ${code}`, { cause: error, isPinRefused: true });
  }
  if (DENIED.has(code)) return new ModuleError('denied', `the module refuses: ${code}`, { cause: error });
  return new ModuleError('unavailable', `the module fails: ${code}`, { cause: error });
}
