"""What looks like an attack, counted in the processes that can tell: the gateway and the auth service."""

from prometheus_client import Counter

threats = Counter(
    "threats_total",
    "What looks like an attack, by kind: scanner_path, traversal, malformed_token, forged_token, brute_force, "
    "token_reuse, passkey_copy, oversized, smuggling",
    ("kind",),
)
