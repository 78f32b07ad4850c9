"""One measured trial: apply through the guard, settle, run the benchmark, read the metrics."""

from sealtune.trial.machine import Kernel, MachineTrial
from sealtune.trial.racing import Racing

__all__ = ["Kernel", "MachineTrial", "Racing"]
