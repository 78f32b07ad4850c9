"""The strategist that always works: no key, no network, no torch.

Reads the description and the machine, and answers with what an expert would try first.
"""

from collections.abc import Callable, Sequence

from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import UnclearWorkloadError
from sealtune.machine.services import Service
from sealtune.strategist.reading import Reading, ask_back, classify, mixture, readings
from sealtune.strategist.suggestion import EMBEDDED, compose
from sealtune.strategist.task import Strategy, Task

__all__ = ["EMBEDDED", "Ask", "devise"]

Ask = Callable[[Sequence[Reading]], Reading | None]
"""Shows the nearest readings to the person, nearest first; ``None`` if none of them is meant."""


def devise(
    task: Task, *, services: Sequence[Service] = (), ask: Ask | None = None, variant: int = 0
) -> Strategy:
    """Return a strategy for `task`, in less than a third of a second.

    Args:
        task: What is asked.
        services: What runs on this machine, from `find_services`; settles what a text leaves open.
        ask: Asked when the description could mean several things; without it they are mixed, and
            the notices say so.
        variant: 0 is the strategy to follow; the others differ from it, and serve a comparison.

    Raises:
        UnclearWorkloadError: The description is no workload, or `ask` found none; the message is
            the question to ask back.
        KnobError: `task` insists on an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
        BenchmarkMissingError: The benchmark insisted on is not installed.
        ConfigError: It is unknown, or a limit is out of bounds.
    """
    text = task.description
    reading = classify(text, services)
    told: tuple[str, ...] = ()
    if reading is None:
        reading = _asked(text, services, ask) if ask else mixture(text, services)
        if reading is None:
            raise UnclearWorkloadError(ask_back(text))
        told = () if ask else (_doubt(reading),)
    return Strategy(compose(task, reading, variant), reading, told)


def _asked(text: str, services: Sequence[Service], ask: Ask) -> Reading | None:
    nearest = readings(text, services)
    return ask(nearest) if nearest else None


def _doubt(reading: Reading) -> str:
    """Say that nobody was asked, and what was made of the description."""
    first, *others = (
        load_workloads().get(name).title for name in (reading.workload_class, *reading.mixed)
    )
    if not others:
        return (
            f"Little speaks for any workload; this is tuned for: {first}. Say more if it is not."
        )
    return (
        f"The description could mean {' or '.join((first, *others))}: parameters of each are "
        "tried, measured by the benchmark of the first. Say more to have one of them."
    )
