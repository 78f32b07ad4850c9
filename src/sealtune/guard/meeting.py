"""The guard's side of a unit of systemd: it comes to its session, whose child it is not."""

import os
import socket
import sys
from contextlib import suppress

from sealtune.guard.server import guard_machine


def meet(path: str) -> None:
    """Guard for the session that listens at `path`; return when everything is back.

    Raises:
        SystemExit: Nobody listens there any more; nothing was changed.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        try:
            line.connect(path)
        except OSError as error:
            sys.exit(f"error: the session that this guard is for has ended: {error.strerror}")
        finally:
            with suppress(OSError):  # nobody else is to come, and the session may be dead
                os.unlink(path)
                os.rmdir(os.path.dirname(path))
        guard_machine(line.fileno(), line.fileno())
