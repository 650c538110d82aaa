"""Memory at rest is a promise, and pauses are none: what is done about both when a process has started."""

import ctypes
import gc


def settle() -> None:
    """Collect what starting left behind, keep the collector off the rest, and return the freed heap to the system.

    For a process that does one thing from here on, and is called once it could begin. What is there then stays until
    the process ends; to look through it again and again stopped a gateway for 80 ms each time (gc.freeze). Importing
    allocates and frees much; glibc keeps that for later, some 15 MB in a worker that never needs it again.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
