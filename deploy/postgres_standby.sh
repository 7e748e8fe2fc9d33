#!/usr/bin/env bash
# A standby of the Postgres at $PRIMARY in $PGDATA: copied where there is none yet, then followed for ever.
set -euo pipefail

primary="host=$PRIMARY user=standby application_name=standby"
if [[ ! -s $PGDATA/PG_VERSION ]]; then
    copy=$PGDATA.copying # a copy that was cut short is none
    rm -rf "$copy"
    mkdir -p "$(dirname "$PGDATA")"
    pg_basebackup --dbname "$primary" --pgdata "$copy" --slot standby --wal-method stream --checkpoint fast --write-recovery-conf
    mv "$copy" "$PGDATA"
fi
exec postgres -D "$PGDATA"
