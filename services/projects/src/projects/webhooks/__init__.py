"""The webhooks of the projects service: which events there are, and the RPCs by which people manage where they go."""
