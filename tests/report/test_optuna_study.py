"""A session as Optuna sees it."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState
from tests.report.example import run, runs, session, tried

from sealtune.errors import InputError
from sealtune.report.optuna_study import export_study


def load(path) -> optuna.Study:
    storage = f"sqlite:///{path}"
    if path.suffix != ".db":
        storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name=None, storage=storage)


@pytest.fixture(scope="module", params=["study.db", "study.log"])
def study(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("optuna") / request.param
    export_study(session(), runs(), path)
    return load(path)


def test_every_search_trial_is_there_in_order_with_its_state(study):
    """
    Failed is FAIL without a value, cut short is PRUNED with the value it had, the rest COMPLETE.
    """
    assert [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE] == [
        trial.state for trial in study.trials
    ]
    assert [1100.0, None, 800.0, 1200.0] == [trial.value for trial in study.trials]
    assert "printed nothing" == study.trials[1].user_attrs["failure"]


def test_the_best_trial_is_the_best_complete_one(study):
    """
    Direction and metric are those of the benchmark.
    """
    assert StudyDirection.MAXIMIZE == study.direction
    assert tried(10, 512) == study.best_trial.params
    assert ["requests_per_second [1/s]"] == study.metric_names


def test_parameters_have_the_range_and_the_scale_of_the_config(study):
    """
    Whole numbers, a logarithmic one and choices; the same in every trial, as Optuna wants it.
    """
    expected = {
        "vm.swappiness": IntDistribution(0, 100),
        "net.core.somaxconn": IntDistribution(128, 65535, log=True),
        "transparent_hugepage/enabled": CategoricalDistribution(("always", "never")),
    }
    assert all(expected == trial.distributions for trial in study.trials)


def test_what_the_config_left_open_is_taken_from_the_plan(tmp_path):
    """
    Range and scale that only the plan knows are those of the study.
    """
    planned = {"name": "vm.swappiness", "low": 1, "high": 200, "scale": "log", "choices": []}
    rows = [run("search", 0, 5.0, {"vm.swappiness": 10})]
    card = {"parameters": [planned]}
    export_study(session(config={}), rows, tmp_path / "study.log", card=card)
    (trial,) = load(tmp_path / "study.log").trials
    assert IntDistribution(1, 200, log=True) == trial.distributions["vm.swappiness"]


def test_trials_and_study_know_where_they_came_from(study):
    """
    Phase, ratio, reward and intervals of a trial; session, workload and verdict of the study.
    """
    first = study.trials[0]
    assert "search" == first.user_attrs["phase"]
    assert 1.1 == pytest.approx(first.user_attrs["ratio"], rel=0.01)
    assert {1: 1090.0, 2: 1110.0} == first.intermediate_values
    assert 5.0 == first.duration.total_seconds()
    known = study.user_attrs
    assert ("20261122-0344-28", "redis cache", "improved") == (
        known["sealtune_session"], known["workload"], known["verdict"],
    )  # fmt: skip
    assert 1.1 == known["gain"]["estimate"]


def test_a_lower_is_better_metric_and_a_dry_run_are_told(tmp_path):
    """
    The study minimises, and its very name says SIMULATED.
    """
    rows = [run("search", 0, 5.0, tried(3), direction="minimize")]
    export_study(session(simulated=True, result=None), rows, tmp_path / "study.log")
    study = load(tmp_path / "study.log")
    assert StudyDirection.MINIMIZE == study.direction
    assert study.study_name.startswith("SIMULATED")


def test_values_beyond_the_config_widen_the_range(tmp_path):
    """
    The present value may lie outside of what was asked for; a log scale down to 0 is not Optuna's.
    """
    rows = [run("search", 0, 5.0, {"vm.swappiness": 150, "net.core.somaxconn": 0})]
    export_study(session(), rows, tmp_path / "study.log")
    (trial,) = load(tmp_path / "study.log").trials
    assert IntDistribution(0, 150) == trial.distributions["vm.swappiness"]
    assert IntDistribution(0, 65535) == trial.distributions["net.core.somaxconn"]


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path):
    """
    Without ``force`` it stays as it was; with it the new study takes its place, whole.
    """
    path = tmp_path / "study.log"
    path.write_text("something of mine")
    with pytest.raises(InputError, match="already"):
        export_study(session(), runs(), path)
    assert "something of mine" == path.read_text()
    export_study(session(), runs(), path, force=True)
    assert 4 == len(load(path).trials)
    assert [path] == list(tmp_path.iterdir())


def test_nothing_to_export_and_nowhere_to_write_are_refused(tmp_path):
    """
    The message says what is missing; no half of a file is left.
    """
    with pytest.raises(InputError, match="no trial"):
        export_study(session(), runs()[:6], tmp_path / "study.log")
    with pytest.raises(InputError, match="No such file"):
        export_study(session(), runs(), tmp_path / "no" / "study.log")
    with pytest.raises(InputError, match="directory"):
        export_study(session(), runs(), tmp_path, force=True)
    assert [] == list(tmp_path.iterdir())
