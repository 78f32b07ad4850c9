"""The searches at once on a few processes; stopped without losing what is finished."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from bench.search_quality.results import Results
from bench.search_quality.runs import Job, run

STOPPED = 130
_SAY_EVERY = 30.0
"""Seconds between two lines of progress."""


def run_all(todo: Sequence[Job], results: Results, processes: int) -> int:
    """Run `todo`; return 0, 1 if a search broke, `STOPPED` after Ctrl-C or SIGTERM."""
    # Its processes would go on by themselves if this one were simply ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # One thread each, read when numpy loads in the spawned processes: they share the cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_settle_down
    )
    code = 0
    try:
        waiting = {pool.submit(run, job): job for job in todo}
        progress = _Progress(len(todo))
        for future in as_completed(waiting):
            try:
                results.add(future.result())
            except BrokenProcessPool:
                say("a process that searched has died; the same command goes on from here")
                return 1
            except Exception as error:  # one search that breaks must not end the others
                say(f"broken: {waiting[future]}: {type(error).__name__}: {error}")
                code = 1
            progress.step()
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here, --table prints what there is")
        code = STOPPED
        for worker in list((pool._processes or {}).values()):
            worker.terminate()  # else it would finish the searches that it has been given
    finally:
        pool.shutdown(cancel_futures=True)
    return code


def _settle_down() -> None:
    """Make a worker polite, and let Ctrl-C end it at once and without a word."""
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class _Progress:
    """Says from time to time how far it is."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._began = self._said = time.monotonic()

    def step(self) -> None:
        """Count one more as done."""
        self._done += 1
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY or self._done == self._total:
            self._said = now
            left = (now - self._began) / self._done * (self._total - self._done)
            say(f"{self._done} of {self._total} searches, about {left / 60:.0f} min left")


def say(text: str) -> None:
    """Tell the person something that is not part of the tables."""
    print(text, file=sys.stderr, flush=True)
