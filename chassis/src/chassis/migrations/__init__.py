"""Schema migrations: one Alembic environment for all services, run as a step of its own, never at server start."""
