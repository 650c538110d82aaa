"""Sessions: signing in, refreshing, listing, revoking."""
