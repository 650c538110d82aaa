"""What the gateway's tests stand on: its real HTTP server, and stand-ins for the services and the token issuer."""
