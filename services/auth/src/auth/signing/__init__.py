"""The keys that access tokens are signed with, and the tokens."""
