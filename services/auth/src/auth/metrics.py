"""The metrics of the auth service."""

from prometheus_client import Counter

sign_ins = Counter(
    "auth_sign_ins_total", "Tries to sign in by outcome: admitted, second_factor_asked, refused, too_many", ("outcome",)
)
refreshes = Counter(
    "auth_refreshes_total",
    "Refresh tokens presented by outcome: rotated, repeated, reused, refused",
    ("outcome",),
)
threats = Counter(
    "threats_total",
    "What looks like an attack, by kind: token_reuse, brute_force, passkey_copy",
    ("kind",),
)
