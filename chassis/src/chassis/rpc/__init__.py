"""Both ends of a gRPC hop."""
