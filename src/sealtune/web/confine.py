"""A process that looks on beside a running benchmark: last in the queue, and unable to write.

Landlock makes it a matter of the kernel, not of good intentions, that the web process cannot write
a parameter, even as root: afterwards it writes below the given directories and nowhere else.
"""

import contextlib
import os

from sealtune.landlock import confine_writes

__all__ = ["confine_writes", "run_last"]


def run_last() -> None:
    """Let everything else on this machine run before this process."""
    with contextlib.suppress(OSError):
        os.nice(19)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
