"""The community service's own knobs."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the community service is told; so far nothing beyond what every service is."""
