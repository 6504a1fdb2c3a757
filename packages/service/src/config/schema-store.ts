import { Type } from 'typebox';
import { file, section, whole } from './settings.ts';

/** Settings of the store: SQLite in a file, or PostgreSQL at a URL. */
export const STORE_SECTION = section({
  file: Type.Optional(file('SQLite database, for one instance; made if it does not exist. Give this or url')),
  url: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      maxLength: 2048,
      description:
        'PostgreSQL database, for any number of instances: postgres://user@host:port/database, no password in it; a host such as %2Fvar%2Frun%2Fpostgresql is the folder of a Unix socket',
    }),
  ),
  passwordFile: Type.Optional(file('Password of the database user. Default: the variable PGPASSWORD')),
  caFile: Type.Optional(file('Roots that the certificate of the database must lead to, PEM; makes TLS mandatory')),
  isClearTextAllowed: Type.Boolean({
    default: false,
    description:
      'States that the way to the database is protected otherwise, such as by a tunnel, so that a host beyond this machine needs no "store.caFile"',
  }),
  connectionsMax: whole(10, 2, 200, 'Connections of this instance to the database, one to listen on besides'),
  statementTimeoutMs: whole(10_000, 100, 600_000, 'Longest time that a statement may take before it is given up'),
  isListening: Type.Boolean({
    default: true,
    description:
      'Learn of what other instances did through LISTEN/NOTIFY; false behind a transaction pooler, then by looking',
  }),
  lookMs: whole(1000, 50, 60_000, 'How often the store is looked at for what other instances left or changed'),
  isMigratedAtStart: Type.Boolean({
    default: false,
    description: 'Bring the database to the schema of this version at start, as "tidings migrate" does',
  }),
});
