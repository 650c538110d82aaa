"""A process that has imported the libraries of all parts, and forks each part from itself.

`python -m devstack.nursery` is the process; `devstack.children` is how the supervisor asks it.
"""
