"""What the support service does later."""

from chassis.jobs.declaration import Jobs
from support.settings import Settings

jobs = Jobs[Settings]()
