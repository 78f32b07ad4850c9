import pytest

from sealtune.planning import make_plan
from sealtune.report.events import RunFinished
from sealtune.request import Request
from sealtune.space.config import load_config
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.store import TrialRow
from sealtune.survey.design import Design
from sealtune.survey.lines import Header, RecordedChoice, RecordedDesign, RecordedRange
from sealtune.survey.record import record
from sealtune.survey.recording import RecordingFile
from sealtune.tactician import SimulatedMachine

CONFIG = {
    "workload_name": "made up",
    "reward_metric": "transactions_per_second",
    "benchmark_command": "sealtune-sqlite --mix write",
    "action_space": [
        {"param": "vm.dirty_ratio", "min": 5, "max": 60},
        {"param": "vm.dirty_background_ratio", "min": 1, "max": 30},
        {"param": "transparent_hugepage/enabled"},
    ],
}
SPACE = Space(
    [
        IntKnob("ahead", 4, 8192, start=8192, scale="log"),
        IntKnob("share", 0, 100, start=50),
        ChoiceKnob("scheduler", ["none", "bfq", "kyber"], start="none"),
    ]
)
HEADER = Header(
    simulated=True,
    workload="made up",
    benchmark="true",
    metric="operations",
    unit="1/s",
    direction="maximize",
    run_seconds=1.0,
    knobs=(
        RecordedRange(name="ahead", low=4, high=8192, start=8192, scale="log"),
        RecordedRange(name="share", low=0, high=100, start=50),
        RecordedChoice(name="scheduler", choices=("none", "bfq", "kyber"), start="none"),
    ),
    originals={"ahead": "8192", "share": "50", "scheduler": "none"},
    design=RecordedDesign(points=60, repeated=0.3, repeats=3, seed=1),
    facts={},
    date="2026-01-01T00:00:00Z",
    began=0.0,
)
DESIGN = Design(points=12, repeated=0.25, repeats=3, seed=5)


@pytest.fixture(scope="session")
def plan():
    return make_plan(Request(config=load_config(CONFIG), trials=12, seed=9, dry_run=True))


@pytest.fixture(scope="session")
def survey(plan):
    """Record into a file, simulated; `stop_after` runs a Ctrl-C comes."""

    def run(path, *, stop_after=None, design=DESIGN, **wishes):
        seen = []

        def notify(event):
            if isinstance(event, RunFinished):
                seen.append(event)
                if len(seen) == stop_after:
                    raise KeyboardInterrupt

        return record(plan, design, path, notify, **wishes)

    return run


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A whole recording of 60 points of a space that is the same on every machine."""
    design = Design(points=60, repeated=0.3, repeats=3, seed=1)
    machine = SimulatedMachine(SPACE, seed=7)
    path = tmp_path_factory.mktemp("recorded") / "surface.jsonl"
    with RecordingFile(path, HEADER) as file:
        for number, setting in enumerate(design.visits(SPACE)):
            if number % 6 == 0:
                file.add_trial("", TrialRow.of("sentinel", number, {}, machine.measure({})))
            file.add_trial("", TrialRow.of("search", number, setting, machine.measure(setting)))
        file.add_trial("", TrialRow.of("sentinel", 999, {}, machine.measure({})))
    return path
