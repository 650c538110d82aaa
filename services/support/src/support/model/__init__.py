"""Tickets, messages, attachments and canned replies as frozen values, and the rules they obey; pure."""
