"""What could not be held although it was promised: said by the warden, kept until asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sealtune.benchmarks.becoming import ATE_DISK

_found: dict[str, None] = {}


def taken() -> tuple[str, ...]:
    """Return what was not held since this was last asked, each once, and forget it.

    A line begins as that of `sealtune.benchmarks.confinement.shortcomings` about the same thing.
    """
    lines = tuple(_found)
    _found.clear()
    return lines


class Notes:
    """A pipe from one warden, in which no program of it has a say.

    Attributes:
        ate_disk: The program was ended for that; known after `close`.
    """

    def __init__(self) -> None:
        # Nobody waits for the other: a warden may be killed, and its last child may hold the end.
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.ate_disk = False

    @contextmanager
    def given(self) -> Iterator[int]:
        """Hold the warden's end open until it has it; once."""
        try:
            yield self._writing
        except BaseException:
            self.close()
            raise
        finally:
            os.close(self._writing)

    def close(self) -> None:
        """Keep what it has said. Safe to call twice."""
        if self._reading < 0:
            return
        try:
            lines = os.read(self._reading, 1 << 16).decode("utf-8", "replace").splitlines()
        except BlockingIOError:
            lines = []
        os.close(self._reading)
        self._reading = -1
        self.ate_disk = ATE_DISK in lines
        _found.update(dict.fromkeys(line for line in lines if line != ATE_DISK))
