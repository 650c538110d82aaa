"""The audit trail: what happened, in a chain."""
