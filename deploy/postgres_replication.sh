#!/usr/bin/env bash
# Run once by Postgres's own image when it makes its cluster: lets the standby follow it.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --set password="$REPLICATION_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE standby REPLICATION LOGIN PASSWORD :'password';
SELECT pg_create_physical_replication_slot('standby');
SQL
echo "host replication standby samenet scram-sha-256" >>"$PGDATA/pg_hba.conf"
