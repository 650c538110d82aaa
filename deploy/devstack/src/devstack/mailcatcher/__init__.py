"""The local mail catcher: takes every mail that the stack sends, delivers none, and shows them on a page."""
