"""The trace page: receives spans over OTLP, keeps the newest traces in memory, and shows them."""
