"""Several files that confirm the same searches, read as one: more rounds of the same settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.on_kernel.book import Told
from bench.on_kernel.lines import Run, Study
from sealtune.errors import ConfigError

_FIX = "Give files that --again has written for the same searches, scenarios and seeds."


def pool(files: Mapping[Path, Told]) -> Told:
    """Return the rounds of all files as those of one, in the order given.

    Whether to pool is decided before the later files are there, or luck decides when to stop.

    Args:
        files: What each file tells; one alone is returned as it is.

    Raises:
        ConfigError: Two files differ in more than their rounds; the message names both.
    """
    (first_path, first), *others = files.items()
    if others and first.study.trials:
        raise ConfigError(f"{first_path} holds searches, not rounds alone", fix=_FIX)
    pooled = first
    for path, told in others:
        if _apart_from_rounds(told.study) != _apart_from_rounds(first.study):
            raise ConfigError(f"{path} holds another comparison than {first_path}", fix=_FIX)
        if _found(told) != _found(first):
            raise ConfigError(f"{path} began at other values than {first_path}", fix=_FIX)
        if _settings(told) != _settings(first):
            raise ConfigError(f"{path} confirms other searches than {first_path}", fix=_FIX)
        pooled = _joined(pooled, told)
    return pooled


def _apart_from_rounds(study: Study) -> Study:
    return study.model_copy(update={"rounds": 0})


def _found(told: Told) -> dict[str, dict[str, str]]:
    """Return the values as found of each scenario: what every gain is counted from."""
    return {name: dict(one.header.originals) for name, one in told.scenarios.items()}


def _settings(told: Told) -> dict[tuple[str, int, str], dict[str, int | str]]:
    """Return what each arm set, by scenario and seed."""
    return {
        (run.scenario, run.seed, run.arm): run.setting
        for run in told.runs
        if run.phase == "confirm"
    }


def _joined(first: Told, later: Told) -> Told:
    """Return both; numbers, stretches and rounds of `later` follow those of `first`."""
    stretch = 1 + max((run.stretch for run in first.runs), default=-1)
    runs = [*first.runs, *(_after(run, first, stretch) for run in later.runs)]
    rounds = first.study.rounds + later.study.rounds
    return Told(
        first.study.model_copy(update={"rounds": rounds}),
        first.scenarios,
        _numbered(runs),
        first.size + later.size,
    )


def _after(run: Run, first: Told, stretch: int) -> Run:
    number = run.number + (first.study.rounds if run.phase == "confirm" else 0)
    return run.model_copy(update={"number": number, "stretch": run.stretch + stretch})


def _numbered(runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple(run.model_copy(update={"n": n}) for n, run in enumerate(runs))
