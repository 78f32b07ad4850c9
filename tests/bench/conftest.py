import json
from dataclasses import replace

import pytest
from bench.on_kernel import __main__ as program
from bench.on_kernel.book import read_book
from bench.on_kernel.study import Wishes, prepare_scenario
from tests.survey.conftest import CONFIG


@pytest.fixture(scope="session")
def wishes(tmp_path_factory):
    """A small comparison on the simulated machine."""
    surfaces = tmp_path_factory.mktemp("surfaces")
    for name in ("one", "two"):
        (surfaces / f"{name}.json").write_text(json.dumps(CONFIG))
    return Wishes(
        scenarios=("one",),
        tacticians=("random", "grid"),
        trials=8,
        seeds=(1000, 1001),
        dry_run=True,
        surfaces=surfaces,
    )


@pytest.fixture(scope="session")
def prepared():
    """`prepare_scenario`, planning and recording each scenario once."""
    known = {}

    def prepare(name, wishes):
        key = name, wishes.trials
        if key not in known:
            known[key] = prepare_scenario(name, wishes)
        return known[key]

    return prepare


@pytest.fixture
def run_bench(wishes, prepared, monkeypatch):
    """Run the bench into a file, simulated; a Ctrl-C comes after `stop_after` runs."""
    monkeypatch.setattr(program, "prepare_scenario", prepared)

    def run(path, *, stop_after=None, clock=None, minutes=None, **asked):
        seen = []

        class Counting(program.Progress):
            def __call__(self, where):
                seen.append(where)
                if len(seen) == stop_after:
                    raise KeyboardInterrupt
                super().__call__(where)

        ticking = {} if clock is None else {"clock": clock}
        with monkeypatch.context() as patched:
            patched.setattr(program, "Progress", Counting)
            return program.bench(
                replace(wishes, **asked), path, minutes=minutes, say=lambda line: None, **ticking
            )

    return run


@pytest.fixture(scope="session")
def whole(wishes, prepared, tmp_path_factory):
    """What a complete file tells."""
    path = tmp_path_factory.mktemp("whole") / "runs.jsonl"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(program, "prepare_scenario", prepared)
        assert program.bench(wishes, path, say=lambda line: None)
    return read_book(path)
