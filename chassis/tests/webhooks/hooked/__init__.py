"""A service that has nothing but webhooks, for tests of the chassis."""
