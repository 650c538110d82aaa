"""Invitations: how a person becomes a member of a project by a link in a mail."""
