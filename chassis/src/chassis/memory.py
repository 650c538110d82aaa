"""Memory at rest is a promise: what starting a process used and no longer needs goes back to the system."""

import ctypes
import gc


def give_back() -> None:
    """Collect what starting left behind, and return the freed heap to the system (where the C library can: glibc).

    Importing allocates and frees much; glibc keeps that for later, some 15 MB in a worker that never needs it again.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
