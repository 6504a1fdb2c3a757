import { type Rule, rule } from './rule.ts';

const VERSIONS = 'test/registrations/versions.test.ts';

/** What a registration that was made through one version of the API is to the other. */
export const SECTION_2_VERSIONS: readonly Rule[] = [
  rule(
    '2.v4-not-read-through-v3',
    'A registration created through v4.0 is not visible through v3.1: GET is 200 with an empty list.',
    [VERSIONS, '[2 v4-not-read-through-v3]'],
  ),
  rule('2.v4-not-changed-through-v3', 'A registration created through v4.0 cannot be changed through v3.1: 403.', [
    VERSIONS,
    '[2 v4-not-changed-through-v3]',
  ]),
  rule('2.v4-not-deleted-through-v3', 'A registration created through v4.0 cannot be deleted through v3.1: 403.', [
    VERSIONS,
    '[2 v4-not-deleted-through-v3]',
  ]),
  rule('2.v4-blocks-post-through-v3', 'While one of v4.0 exists, POST through v3.1 is 409.', [
    VERSIONS,
    '[2 v4-blocks-post-through-v3]',
  ]),
  rule('2.v3-used-through-v4', 'A registration created through v3.1 can be read and deleted through v4.0.', [
    VERSIONS,
    '[2 v3-used-through-v4]',
  ]),
  rule('2.v4-put-upgrades', 'It can also be changed there, which upgrades it to v4.0.', [
    VERSIONS,
    '[2 v4-put-upgrades]',
  ]),
  rule('2.api-version-apart', 'The version through which it was created is independent of its Version field.', [
    VERSIONS,
    '[2 api-version-apart]',
  ]),
];
