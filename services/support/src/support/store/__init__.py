"""All SQL of the support service."""
