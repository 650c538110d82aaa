"""A service that is all jobs, for tests of the chassis: `python -m probe worker`."""
