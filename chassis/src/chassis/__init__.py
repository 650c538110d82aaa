"""The microservice chassis: what would be identical in two services, and nothing that names a domain noun."""
