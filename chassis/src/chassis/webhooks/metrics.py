"""What is counted about webhooks."""

from prometheus_client import Counter, Histogram

from chassis.metrics import begin

deliveries = Counter(
    "webhook_deliveries_total",
    "Attempts at messages to webhook endpoints by what became of them: delivered, retried (another attempt is due), "
    "exhausted (none is left), gone (410), put_off (the endpoint rests or its owner has enough under way), dropped "
    "(it is disabled)",
    ("outcome",),
)
delivery_duration = Histogram(
    "webhook_delivery_duration_seconds",
    "Time from connecting to a webhook endpoint to its answer or the failure",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60),
)
endpoints_disabled = Counter(
    "webhook_endpoints_disabled_total",
    "Webhook endpoints that were disabled, by why: failing, gone",
    ("reason",),
)
begin(deliveries, ("delivered", "retried", "exhausted", "gone", "put_off", "dropped"))
begin(endpoints_disabled, ("failing", "gone"))
