"""What a test of a service stands on: real PostgreSQL, real servers on port 0, real mutual TLS."""
