"""The microservice chassis: what would be identical in two services, and nothing that names a domain noun."""

import os

# gRPC's core writes lines of its own to stderr, one for each stranger that fails at TLS, unless it is told not to
# before it begins. What of that concerns NeoForge is said in the log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
