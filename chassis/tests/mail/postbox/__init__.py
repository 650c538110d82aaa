"""A service that only sends mail, for tests of the chassis."""
