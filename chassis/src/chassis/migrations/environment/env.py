"""Alembic's environment, the same for every service: the schema's own version table, each migration a transaction."""

from alembic import context

metadata = context.config.attributes["metadata"]
connection = context.config.attributes["connection"]

options = {
    "target_metadata": metadata,
    "version_table_schema": metadata.schema,
    "include_schemas": True,
    "include_name": lambda name, type_, _parents: type_ != "schema" or name == metadata.schema,
    "compare_server_default": True,
    "transaction_per_migration": True,
}

if connection is None:
    context.configure(dialect_name="postgresql", **options)
else:
    context.configure(connection=connection, **options)

with context.begin_transaction():
    context.run_migrations()
