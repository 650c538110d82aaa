"""What the community service does later."""

from chassis.jobs.declaration import Jobs
from community.settings import Settings

jobs = Jobs[Settings]()
"""None beyond what every service does: nothing here can wait, and nobody is notified yet."""
