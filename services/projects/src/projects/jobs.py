"""What the projects service does later."""

from chassis.jobs.declaration import Jobs
from projects.settings import Settings

jobs = Jobs[Settings]()
