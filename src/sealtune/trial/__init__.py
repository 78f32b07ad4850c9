"""One measured trial: apply through the guard, settle, run the benchmark, read the metrics."""

from sealtune.trial.avoiding import Avoiding
from sealtune.trial.machine import Kernel, MachineTrial
from sealtune.trial.racing import Racing
from sealtune.trial.rails import Rails

__all__ = ["Avoiding", "Kernel", "MachineTrial", "Racing", "Rails"]
