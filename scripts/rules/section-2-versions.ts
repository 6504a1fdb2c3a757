import { type Rule, rule } from './rule.ts';

const VERSIONS = 'test/registrations/versions.test.ts';

/** What a registration that was made through one version of the API is to the other. */
export const SECTION_2_VERSIONS: readonly Rule[] = [
  rule('2.v4-not-read-through-v3', 'What v4.0 created, GET through v3.1 does not show: 200 and an empty list.', [
    VERSIONS,
    '[2 v4-not-read-through-v3]',
  ]),
  rule('2.v4-not-changed-through-v3', 'What v4.0 created cannot be changed through v3.1: 403.', [
    VERSIONS,
    '[2 v4-not-changed-through-v3]',
  ]),
  rule('2.v4-not-deleted-through-v3', 'What v4.0 created cannot be deleted through v3.1: 403.', [
    VERSIONS,
    '[2 v4-not-deleted-through-v3]',
  ]),
  rule('2.v4-blocks-post-through-v3', 'While there is one of v4.0, POST through v3.1 is 409.', [
    VERSIONS,
    '[2 v4-blocks-post-through-v3]',
  ]),
  rule('2.v3-used-through-v4', 'What v3.1 created can be read and deleted through v4.0.', [
    VERSIONS,
    '[2 v3-used-through-v4]',
  ]),
  rule('2.v4-put-upgrades', 'It can be changed there too; from then on it is one of v4.0.', [
    VERSIONS,
    '[2 v4-put-upgrades]',
  ]),
  rule('2.api-version-apart', 'Which version created it has nothing to do with its Version field.', [
    VERSIONS,
    '[2 api-version-apart]',
  ]),
];
