"""Accounts: registering, passwords, roles."""
