"""Loaded by pytest before it collects, so that `gateway` means this package and not the folder it lies in.

With `--import-mode=importlib` pytest names the tests `gateway.tests...` after their folders, and would otherwise take
the folder for the package.
"""
