"""The RPCs of the support service: each parses, decides, stores and replies."""
