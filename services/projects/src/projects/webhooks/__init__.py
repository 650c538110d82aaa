"""The webhooks of the projects service: which events there are; all else is chassis.webhooks."""
