import { Type } from 'typebox';
import { RETRY_RANGES } from '../config/schema-delivery.ts';
import type { RetryOverrides } from '../store/store.ts';
import { fieldProblem } from './read-body.ts';

/** As the setting of the same name, with its range; left out: that setting. */
function override(name: keyof RetryOverrides) {
  return Type.Optional(Type.Integer({ ...RETRY_RANGES[name], description: `In place of "retry.${name}"` }));
}

/** Settings of the retry policy that are one TPP's own. */
export const RetryOverridesSchema = Type.Object(
  {
    delayMs: override('delayMs'),
    delayMaxMs: override('delayMaxMs'),
    retriesMax: override('retriesMax'),
    intervalMaxMs: override('intervalMaxMs'),
  },
  {
    additionalProperties: false,
    description: 'What of the retry policy is its own; what is left out is as configured',
  },
);

/** The settings that overrides stand beside. */
export type RetrySettings = Required<RetryOverrides>;

/**
 * Checks that overrides make sense together, and beside the settings that hold where they say nothing.
 *
 * @param settings undefined: overrides are only checked against each other
 * @returns undefined where nothing is overridden
 * @throws {Problem} 400 that names the field
 */
export function checkRetry(
  retry: RetryOverrides | undefined,
  settings: RetrySettings | undefined,
): RetryOverrides | undefined {
  if (retry === undefined || Object.keys(retry).length === 0) return undefined;
  const delayMs = retry.delayMs ?? settings?.delayMs ?? 0;
  const delayMaxMs = retry.delayMaxMs ?? settings?.delayMaxMs ?? Number.POSITIVE_INFINITY;
  if (delayMaxMs >= delayMs) return retry;
  if (retry.delayMaxMs === undefined) {
    throw fieldProblem('retry.delayMs', `is above "retry.delayMaxMs" of the configuration (${delayMaxMs}); give both`);
  }
  const whose = retry.delayMs === undefined ? '"retry.delayMs" of the configuration' : 'retry.delayMs';
  throw fieldProblem('retry.delayMaxMs', `must not be below ${whose} (${delayMs})`);
}
