"""Real PostgreSQL, Redis and certificates from installed packages, for the local stack and for tests.

Nothing here is imported by a running service: in production these parts are somebody else's processes.
"""
