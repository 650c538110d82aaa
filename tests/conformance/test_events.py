"""What the gateway says of a service's webhooks is what the service sends; neither may import the other."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from gateway.routes import projects_webhooks, status_webhooks
from projects.webhooks import events
from status import told


@pytest.mark.parametrize(
    ("documented", "sent"),
    [
        pytest.param(projects_webhooks.EventType, events.EVENT_TYPES, id="projects"),
        pytest.param(status_webhooks.EventType, told.EVENT_TYPES, id="status"),
    ],
)
def test_the_events_that_can_be_subscribed_to_are_those_that_are_sent(documented: Any, sent: Sequence[str]) -> None:
    assert sorted(get_args(documented)) == sorted(sent)
