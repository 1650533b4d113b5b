"""Make the C library keep the memory that PyTorch frees, on a CPU under Linux.

glibc maps every block above 32 MB afresh and gives it back when it is freed, so a network whose maps are larger than
that pays for faulting every page in at every layer: the largest single item of a frame's time.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


@functools.cache
def keep_freed_memory() -> bool:
    """Keep freed blocks of up to 1 GB for the next layer, for the whole process; returns whether that could be set."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, musl for one
        logging.getLogger(__name__).debug("this C library has no mallopt: large blocks are mapped afresh")
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
