#!/usr/bin/env bash
# Gives every service its roles and its schema, under the passwords in /run/roles. Repeatable.
set -euo pipefail
PGPASSWORD=$(</run/secrets/postgres-password)
export PGPASSWORD PGHOST=postgres PGUSER=postgres PGDATABASE=neoforge PGCONNECT_TIMEOUT=5
for attempt in {1..60}; do
    psql --no-psqlrc --quiet --tuples-only --command 'SELECT 1' >/dev/null 2>&1 && break
    [ "$attempt" -lt 60 ] || { echo "PostgreSQL has not answered a query for a minute." >&2; exit 1; }
    sleep 1
done
for file in /run/roles/*_owner; do
    service=$(basename "${file%_owner}")
    NEOFORGE_SERVICE_PASSWORD=$(<"/run/roles/$service")
    NEOFORGE_SERVICE_OWNER_PASSWORD=$(<"$file")
    export NEOFORGE_SERVICE_PASSWORD NEOFORGE_SERVICE_OWNER_PASSWORD
    psql --no-psqlrc --set service="$service" --file /run/sql/service.sql
    echo "$service has its roles and its schema."
done
