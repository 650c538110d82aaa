"""The metrics of mail."""

from prometheus_client import Counter

mails = Counter(
    "mail_messages_total",
    "Mails by template and what became of them: sent, deferred, suppressed, refused, not_taken (tried again), obsolete",
    ("template", "outcome"),
)
