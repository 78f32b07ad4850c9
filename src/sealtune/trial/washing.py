"""Wash-out: what one setting leaves in the kernel's own state must not be measured with the next.

Trials on one machine are a crossover trial, and a crossover trial has carry-over. Seen here: the
polling window of haltpoll, one per processor, grows while ``guest_halt_poll_ns`` is large and
shrinks only while it may. ``guest_halt_poll_allow_shrink`` N by itself does nothing, yet it kept
the window of the trial before, measured x4, and was taken for what carries the gain.
"""

import contextlib
import os
import threading
import time

_WAKE_UPS = 40
"""A window of 200 us is halved 18 times until nothing is left of it."""
_NAP = 0.001


def wash_out() -> None:
    """Let every processor fall idle and wake up some forty times, all at once: about 0.05 s."""
    napping = [
        threading.Thread(target=_nap_on, args=(processor,))
        for processor in sorted(os.sched_getaffinity(0))
    ]
    for thread in napping:
        thread.start()
    for thread in napping:
        thread.join()


def _nap_on(processor: int) -> None:
    with contextlib.suppress(OSError):  # taken offline meanwhile: there is nothing to wash out
        os.sched_setaffinity(0, {processor})  # of this thread alone
    for _ in range(_WAKE_UPS):
        time.sleep(_NAP)
