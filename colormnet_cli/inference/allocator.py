"""Make the C library keep the memory that PyTorch frees, on a CPU under Linux.

glibc maps every block above 32 MB afresh and gives it back when it is freed, so a network whose maps are larger than
that pays for faulting every page in at every layer: the largest single item of a frame's time.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from contextlib import suppress

__all__ = ["is_large", "keep_freed_memory", "return_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MANY = 50_000_000  # parameters: the published networks have more, the preview a twentieth


def is_large(parameters: int) -> bool:
    """Whether a network of that many parameters computes so long that time spent on memory hardly counts."""
    return parameters > _MANY


def keep_freed_memory(parameters: int) -> bool:
    """Keep freed blocks for the next layer, for the whole process; returns whether that could be set.

    Args:
        parameters: of the network. One of many computes so long on a map that faulting it in is under 2 % of its time:
            there, blocks above 20 MB are given back, since what lies unused between them is 0.2 GB at 480p.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, musl for one
        logging.getLogger(__name__).debug("this C library has no mallopt: large blocks are mapped afresh")
        return False
    largest = 20 * 2**20 if is_large(parameters) else 2**30
    return bool(mallopt(_M_MMAP_THRESHOLD, largest) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def return_freed_memory() -> None:
    """Give what has been freed back to the system: after work that is not repeated for each frame.

    Of a large network after each frame too: it costs 1 % of the time, and what lies unused between blocks would add up
    to 0.1 GB at 480p.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
