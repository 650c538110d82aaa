import os
import socket
from pathlib import Path

from devstack.nursery.forking import become, until_forked
from devstack.nursery.libraries import import_libraries


def main() -> None:
    supervisor = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    import_libraries()
    request = until_forked(supervisor)
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
