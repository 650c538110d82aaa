from __future__ import annotations

import argparse
import os
import signal
import threading

from chassis import memory
from devstack.ports import HOST, Ports
from devstack.traces.receiver import Receiver
from devstack.traces.store import Store
from devstack.traces.web import Page


def serve(base: int) -> None:
    ports, store, stop = Ports(base), Store(), threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    receiver, page = Receiver(HOST, ports.otlp, store), Page(HOST, ports.trace_page, store)
    receiver.start()
    page.start()
    print(f"traces to http://{HOST}:{receiver.port} are shown on http://localhost:{page.port}", flush=True)
    memory.settle()
    stop.wait()
    receiver.stop()
    page.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="devstack.traces", description="Receives traces and shows them.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("NEOFORGE_PORT") or 8080), help="the base port")
    serve(parser.parse_args().port)
