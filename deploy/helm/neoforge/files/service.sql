-- The roles and the schema of one service, in the database that psql is connected to, as a superuser. Repeatable.
--
--     NEOFORGE_SERVICE_PASSWORD=... NEOFORGE_SERVICE_OWNER_PASSWORD=... psql --no-psqlrc --set service=projects --file service.sql
--
-- <service>_owner owns the schema and runs its migrations; <service> reads and writes rows and may create nothing.
-- Passwords come by the environment, so that no list of processes shows them.
\set ON_ERROR_STOP on
\set QUIET on
\getenv password NEOFORGE_SERVICE_PASSWORD
\getenv owner_password NEOFORGE_SERVICE_OWNER_PASSWORD
SELECT :'service' || '_owner' AS owner, current_database() AS database \gset

SET client_min_messages = warning;
BEGIN;

-- Two runs at once, in whichever databases, wait here instead of meeting in the catalogue that all databases share.
LOCK TABLE pg_authid IN SHARE ROW EXCLUSIVE MODE;

SELECT format('CREATE ROLE %I', role) FROM unnest(ARRAY[:'owner', :'service']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec

ALTER ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
ALTER ROLE :"owner" SET search_path = :"service";
ALTER ROLE :"service" SET search_path = :"service";

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"owner", :"service";

CREATE SCHEMA IF NOT EXISTS :"service" AUTHORIZATION :"owner";
REVOKE ALL ON SCHEMA :"service" FROM PUBLIC;
GRANT USAGE ON SCHEMA :"service" TO :"service";

-- What the owner creates from now on. Functions and types are PUBLIC's by PostgreSQL's own defaults.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service" GRANT USAGE ON SEQUENCES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service" GRANT EXECUTE ON FUNCTIONS TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service" GRANT USAGE ON TYPES TO :"service";

COMMIT;
