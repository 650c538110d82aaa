"""Counting tries at secrets, so that guessing is slow."""
