"""The metrics of the auth service."""

from prometheus_client import Counter

from chassis.metrics import begin
from chassis.threats import threats

sign_ins = Counter(
    "auth_sign_ins_total", "Tries to sign in by outcome: admitted, second_factor_asked, refused, too_many", ("outcome",)
)
refreshes = Counter(
    "auth_refreshes_total",
    "Refresh tokens presented by outcome: rotated, repeated, reused, refused",
    ("outcome",),
)
begin(sign_ins, ("admitted", "second_factor_asked", "refused", "too_many"))
begin(refreshes, ("rotated", "repeated", "reused", "refused"))
begin(threats, ("token_reuse", "brute_force", "passkey_copy"))
