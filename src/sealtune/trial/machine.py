"""The real trial: this kernel, this benchmark."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from sealtune.benchmarks.base import Adapter
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import GuardError, KnobError, MeasurementError, WriteRefusedError
from sealtune.machine.metrics import MetricsWindow
from sealtune.space.knobs import Setting
from sealtune.trial.rails import Rails
from sealtune.trial.washing import wash_out

SETTLE_SECONDS = 0.3


class Kernel(Protocol):
    """What a trial needs of the guard: make the machine originals + setting."""

    def apply(self, setting: Mapping[str, int | str]) -> dict[str, str]:
        """Write `setting`; every other parameter goes back to its original. Returns read-backs."""
        ...

    @property
    def breach(self) -> str | None:
        """Why the guard restored by itself, ``None`` when it did not."""
        ...


class MachineTrial:
    """Measures settings on the real kernel with a prepared benchmark.

    Args:
        kernel: The guard's client.
        adapter: A prepared benchmark.
        seconds: Length of one run [s], warm-up not counted.
        fresh: Restart the benchmark's server before each run, needed as soon as one parameter
            bites only new sockets, listeners, mappings or opened files; without it trial N would
            measure what trial N-1 had set.
        device: Block device whose traffic is measured; all disks together when ``None``.
        existing: Returns the part of a setting that exists under it; only that is written.
    """

    def __init__(
        self,
        kernel: Kernel,
        adapter: Adapter,
        seconds: float,
        *,
        fresh: bool,
        device: str | None = None,
        existing: Callable[[Setting], Setting] = dict,
    ) -> None:
        self._kernel, self._adapter, self._device = kernel, adapter, device
        self._seconds, self._fresh, self._existing = seconds, fresh, existing
        self._has_changed = False
        self.read_back: Setting = {}
        """What the kernel made of the last setting."""
        self.rails: Rails | None = None
        """What a setting's run is judged by; none before the baseline is known."""

    def measure(
        self, setting: Setting, *, should_stop: Callable[[Sequence[float]], bool] | None = None
    ) -> Measurement:
        """Apply `setting` (empty: the originals), run the benchmark once, return what it gave.

        Every run begins at the originals, whatever was measured before it: see `wash_out`.

        A kernel that refuses a value, a benchmark that fails and a breached guard rail all come
        back as a failed measurement; only a broken guard raises.

        Raises:
            GuardError: The guard itself is gone or busy.
        """
        began = time.monotonic()
        try:
            if self._has_changed:
                self._kernel.apply({})
                wash_out()
            washed = time.monotonic()
            self._has_changed = bool(setting)
            self.read_back = dict(self._kernel.apply(self._existing(setting)))
        except (WriteRefusedError, KnobError) as error:
            return self._rails(failed(f"not accepted: {error}"))
        except GuardError:
            if (breach := self._kernel.breach) is None:
                raise
            return failed(f"unsafe: {breach}", unsafe=True)
        try:
            self._adapter.refresh(restart=self._fresh)
        except MeasurementError as error:
            return self._rails(failed(str(error), seconds=time.monotonic() - began))
        refreshed = time.monotonic()
        time.sleep(SETTLE_SECONDS)
        ready = time.monotonic()
        window = MetricsWindow.open(self._device)
        try:
            run = self._adapter.run(self._seconds, should_stop=should_stop)
        except MeasurementError as error:
            run = failed(str(error))
        state = window.close()
        run = replace(
            run,
            state={**state, **run.state},
            seconds=time.monotonic() - ready + (refreshed - washed),
            settle_seconds=ready - refreshed + (washed - began),
        )
        if self.rails is not None and not setting:
            self.rails = self.rails.beside(run)
        judged_by = self.rails if setting else None  # what the originals do is no setting's doing
        return self._rails(run, judged_by)

    def _rails(self, run: Measurement, rails: Rails | None = None) -> Measurement:
        """Return `run`, or an unsafe failure when the machine suffered during it."""
        reason = self._kernel.breach
        if reason is None:
            if rails is not None:
                reason = rails.judge(run)
            if reason is None:
                return run
            try:  # back now, as the guard does, not when the next trial begins
                self._kernel.apply({})
            except GuardError:
                if self._kernel.breach is None:  # else the guard was first: all is back
                    raise
        return replace(run, value=None, failure=f"unsafe: {reason}", unsafe=True, cut_short=False)
