#!/bin/sh
# Creates the database `rollbook` and two roles: rollbook_owner, which `rollbook migrate` uses and which owns all tables, and rollbook,
# which the servers use and which can only read and write rows. Neither is a superuser. Run it as one, on an empty cluster or
# beside other databases; Compose does so when it creates the volume.
#   DATABASE_OWNER_PASSWORD=… DATABASE_PASSWORD=… PGHOST=… PGUSER=postgres sh deploy/postgresql/roles.sh
set -eu
export PGUSER="${POSTGRES_USER:-${PGUSER:-postgres}}" DATABASE_OWNER_PASSWORD DATABASE_PASSWORD
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname postgres <<'SQL'
-- From the environment, so that no list of processes shows them.
\set owner_password `printf %s "$DATABASE_OWNER_PASSWORD"`
\set password `printf %s "$DATABASE_PASSWORD"`
SET password_encryption = 'scram-sha-256';
CREATE ROLE rollbook_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE rollbook LOGIN PASSWORD :'password';
CREATE DATABASE rollbook OWNER rollbook_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE rollbook FROM PUBLIC;
GRANT CONNECT ON DATABASE rollbook TO rollbook;
\connect rollbook
CREATE EXTENSION IF NOT EXISTS pg_trgm;
ALTER SCHEMA public OWNER TO rollbook_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO rollbook;
-- Of all tables that migrations create, now and later.
ALTER DEFAULT PRIVILEGES FOR ROLE rollbook_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rollbook;
ALTER DEFAULT PRIVILEGES FOR ROLE rollbook_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO rollbook;
-- And of those that are there already, if the database is an older one that was given to rollbook_owner.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rollbook;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO rollbook;
SQL
