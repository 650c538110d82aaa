from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path

from devstack.folders import Folders
from devstack.mailcatcher.catcher import Catcher
from devstack.mailcatcher.smtp import Certificate
from devstack.ports import HOST

PROCESS = "mail"
SMTP_OFFSET, PAGE_OFFSET = 5, 6


def certificate(folders: Folders) -> Certificate:
    """The certificate that the environment names, as every process of the stack is given one; else one of its own."""
    file, key = os.environ.get("NEOFORGE_TLS_CERTIFICATE"), os.environ.get("NEOFORGE_TLS_KEY")
    if file and key:
        return Certificate(Path(file), Path(key))
    # Imported here, since what it brings along is as large as everything else in this process.
    from chassis.embedded.certificates import Authority  # noqa: PLC0415

    identity = Authority(folders.certificates).issue(PROCESS)
    return Certificate(identity.certificate, identity.key)


async def serve(base: int) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    folders = Folders.of(os.environ)
    folders.make()
    tls = certificate(folders)
    async with Catcher(folders.data / "mail", tls, base + SMTP_OFFSET, base + PAGE_OFFSET) as catcher:
        print(f"mail to smtp://{HOST}:{catcher.smtp_port} is shown on http://localhost:{catcher.page_port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="devstack.mailcatcher", description="Catches all mail and shows it.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("NEOFORGE_PORT") or 8080), help="the base port")
    # Below errors it writes a line for each command, with addresses, and one for each login, about itself.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        asyncio.run(serve(parser.parse_args().port))
    except sqlite3.DatabaseError as damaged:
        sys.exit(
            f"The caught mails in {Folders.of(os.environ).data / 'mail'} are damaged ({damaged}): remove that folder."
        )
