"""Webhooks: events of a service, signed and delivered to the HTTP endpoints that people name.

The way of an event: a handler calls `Webhooks.announce` (management) in the transaction of the change, which writes a
message and an outbox row per endpoint that wants it; for that row a worker runs `Deliveries.attempt` (delivery), which
signs the message (signature), posts it through a client that cannot be turned inward (outbound, urls, addresses),
decides what follows (verdict, retry) and writes it down. A service declares all of it by `ServiceWebhooks` (wiring).

Events may reach an endpoint in any order, and more than once under the same `webhook-id`: they carry the version of
what they are about.

Source: the Standard Webhooks specification, version 1.0.0.
"""
