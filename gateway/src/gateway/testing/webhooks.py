"""A stand-in for the webhooks of a service."""

from typing import ClassVar

from gateway.testing.told import Told
from neoforge.common.v1 import webhooks_pb2, webhooks_pb2_grpc


class StandInWebhooks(Told, webhooks_pb2_grpc.WebhooksServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = webhooks_pb2
    CreateWebhook = GetWebhook = ListWebhooks = UpdateWebhook = DeleteWebhook = Told.answer
    RotateSecret = SendTestEvent = ListAttempts = ReplayMessage = Told.answer
