#!/usr/bin/env bash
# A user and a database for each brand, the first time that the server starts. Its password is the secret of that name.
set -euo pipefail
for brand in brand_one brand_two; do
  psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set brand="$brand" --set password="$(cat "/run/secrets/$brand")" <<'SQL'
CREATE ROLE :"brand" LOGIN PASSWORD :'password';
CREATE DATABASE :"brand" OWNER :"brand" ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE :"brand" FROM PUBLIC;
SQL
done
