import assert from 'node:assert/strict';
import {
  ApiError,
  type ApiErrorCode,
  JwsError,
  type JwsErrorCode,
  SetError,
  type SetErrorCode,
} from '../../src/index.ts';
import { utf8 } from './bytes.ts';
import { expecting, FORMS, type Header, type Signing } from './forge.ts';

/** Checks that a signature is refused with this code and, where given, for this member of the header. */
export async function refusesJws(verifying: Promise<unknown>, code: JwsErrorCode, member?: string): Promise<void> {
  await assert.rejects(verifying, (error) => {
    assert.ok(error instanceof JwsError, `not a JwsError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    if (member !== undefined) assert.equal(error.member, member, error.message);
    return true;
  });
}

/** Checks that a SET is refused with this code. */
export async function refusesSet(verifying: Promise<unknown>, code: SetErrorCode): Promise<SetError> {
  const error = await verifying.then(
    () => assert.fail('the SET was accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SetError, `not a SetError: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}

/** Runs what must throw an ApiError of this code, and gives back its detail. */
export function refusedWith(code: ApiErrorCode, run: () => unknown): ApiError['detail'] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ApiError, `not an ApiError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return error.detail;
  }
  assert.fail('nothing was refused');
}

/** A header, in both forms and rightly signed, that must be refused. */
export interface RefusedHeader {
  readonly header: Header;
  readonly code: JwsErrorCode;
  readonly member?: string;
  readonly signing?: Signing;
}

/** Checks in the compact and in the detached form that a rightly signed JWS with this header is refused. */
export async function refusesHeader({ header, code, member, signing }: RefusedHeader): Promise<void> {
  const body = utf8('{"Data":{"Version":"4.0"}}');
  for (const form of FORMS) {
    await refusesJws(form.verify(form.forge(header, body, signing), body), code, member);
  }
}

/** Checks in both forms that a JWS with this header is accepted. */
export async function acceptsHeader(header: Header, expected = expecting()): Promise<void> {
  const body = utf8('{"Data":{"Version":"4.0"}}');
  for (const form of FORMS) await form.verify(form.forge(header, body), body, expected);
}
