"""A session as a study of Optuna's, for its plots and for optuna-dashboard."""

import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealtune.errors import InputError
from sealtune.report.history import Point, curve, unit_of
from sealtune.report.parameters import configs_of, name_here

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from sealtune.store import SessionRow, TrialRow

SQLITE = (".db", ".sqlite", ".sqlite3")
"""Endings of a file that becomes a database of SQLite; any other becomes Optuna's journal."""


def export_study(
    row: "SessionRow",
    trials: Sequence["TrialRow"],
    path: Path,
    *,
    force: bool = False,
    card: Mapping[str, Any] | None = None,
) -> str:
    """Write the search of a session as a study and return how to open it.

    Failed trials have the state ``FAIL``, those that were cut short ``PRUNED`` with the value
    that they had then. Baseline runs are no trials: their mean is an attribute of the study.

    Args:
        row: The session.
        trials: Its stored runs.
        path: File to write; one that ends in `SQLITE` becomes a database, else a journal.
        force: Replace a file that is there.
        card: The plan as the session told it, which knows what its config left open.

    Returns:
        The address of the storage, as optuna-dashboard takes it.

    Raises:
        InputError: Nothing was searched, the file is there, or it cannot be written.
    """
    points = [point for point in curve(trials) if point.kind == "trial"]
    if not points:
        raise InputError(
            f"session {row.id} has no trial of a search: there is nothing to export",
            fix="Name another session (`sealtune sessions`).",
        )
    if os.path.lexists(path) and not force:
        raise InputError(f"{path} is there already", fix="Name another file, or add --force.")
    with _replaced(path) as fresh:
        _write(_storage(fresh), row, trials, points, card or {})
    return f"sqlite:///{path}" if path.suffix in SQLITE else str(path)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` that takes its place when all went well."""
    try:
        with tempfile.TemporaryDirectory(prefix=".sealtune-", dir=path.parent or ".") as folder:
            fresh = Path(folder) / path.name
            yield fresh
            if path.is_dir():
                raise IsADirectoryError(21, "is a directory")
            os.replace(fresh, path)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}", fix="Name a file in a directory that you may write to."
        ) from error


def _storage(path: Path) -> "BaseStorage":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if path.suffix in SQLITE:
        return optuna.storages.RDBStorage(f"sqlite:///{path}")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))


def _write(
    storage: "BaseStorage",
    row: "SessionRow",
    trials: Sequence["TrialRow"],
    points: Sequence[Point],
    card: Mapping[str, Any],
) -> None:
    import optuna

    metric, unit, direction = unit_of(trials)
    mark = "SIMULATED " if row.simulated else ""
    study = optuna.create_study(
        storage=storage, study_name=f"{mark}sealtune {row.id}", direction=direction
    )
    if metric:
        with warnings.catch_warnings():  # Optuna calls it experimental, whoever uses it
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([f"{metric} [{unit}]" if unit else metric])
    _describe(study, row, trials)
    distributions = _distributions(row, points, card)
    study.add_trials([_trial(point, distributions) for point in points])
    storage.remove_session()


def _describe(study: "Study", row: "SessionRow", trials: Sequence["TrialRow"]) -> None:
    result = row.result or {}
    baselines = [one.value for one in trials if not one.setting and one.value is not None]
    known: dict[str, Any] = {
        "sealtune_session": row.id,
        "workload": row.workload,
        "verdict": result.get("verdict") or row.status,
        "sentence": result.get("sentence"),
        "gain": result.get("gain"),
        "best_config": result.get("best_config"),
        "simulated": row.simulated,
        "seed": row.seed,
        "tactician": result.get("tactician") or row.arguments.get("tactician"),
        "kernel": row.facts.get("kernel"),
        "baseline_mean": sum(baselines) / len(baselines) if baselines else None,
    }
    for name, value in known.items():
        if value is not None:
            study.set_user_attr(name, value)


def _trial(point: Point, distributions: Mapping[str, "BaseDistribution"]) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    row = point.row
    value = row.value if row.value is not None and math.isfinite(row.value) else None
    state = TrialState.PRUNED if row.cut_short else TrialState.COMPLETE
    attributes = {
        "phase": row.phase,
        "ratio": point.ratio,
        "reward": row.score,
        "strategy": row.strategy,
        "seconds": row.seconds,
        "failure": row.failure,
    }
    trial = create_trial(
        state=TrialState.FAIL if value is None else state,
        value=value,
        params=dict(row.setting),
        distributions={name: distributions[name] for name in row.setting},
        user_attrs={name: one for name, one in attributes.items() if one is not None},
        intermediate_values={
            step: one for step, one in enumerate(row.intervals, start=1) if math.isfinite(one)
        },
    )
    trial.datetime_complete = datetime.fromtimestamp(row.started)
    trial.datetime_start = trial.datetime_complete - timedelta(seconds=row.seconds)
    return trial


def _distributions(
    row: "SessionRow", points: Sequence[Point], card: Mapping[str, Any]
) -> dict[str, "BaseDistribution"]:
    """Return one distribution for each parameter: Optuna wants the same one in every trial."""
    asked: dict[str, list[Mapping[str, Any]]] = {}
    for config in configs_of(row):
        for one in config.get("action_space", ()):
            asked.setdefault(name_here(str(one.get("param", "")), row), []).append(one)
    for one in card.get("parameters", ()):
        asked[one["name"]] = [{**one, "min": one["low"], "max": one["high"]}]
    tried: dict[str, list[int | str]] = {}
    for point in points:
        for name, value in point.row.setting.items():
            tried.setdefault(name, []).append(value)
    return {name: _distribution(asked.get(name, []), values) for name, values in tried.items()}


def _distribution(
    asked: Sequence[Mapping[str, Any]], tried: Sequence[int | str]
) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, IntDistribution

    numbers = [value for value in tried if isinstance(value, int)]
    if len(numbers) < len(tried):
        choices = [str(choice) for one in asked for choice in one.get("choices") or ()]
        return CategoricalDistribution(tuple(dict.fromkeys([*choices, *tried])))
    low = min([*numbers, *(one["min"] for one in asked if one.get("min") is not None)])
    high = max([*numbers, *(one["max"] for one in asked if one.get("max") is not None)])
    # Optuna's logarithm knows no 0; ours does, by a step.
    log = bool(asked) and all(one.get("scale") == "log" for one in asked) and low >= 1
    return IntDistribution(low, high, log=log)
