"""The projects service's own knobs."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the projects service is told; so far nothing beyond what every service is."""
