"""What stops the stack, said for a person."""


class StackError(Exception):
    """The stack cannot start or go on; the message names the part, the reason and what to do."""
