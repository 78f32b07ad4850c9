"""What a session says of parameters that somebody else changed while it ran."""

import contextlib
from dataclasses import replace

import pytest
from tests.session.writeback import CONFIG

from sealtune import session
from sealtune.guard import RestoreReport
from sealtune.planning import make_plan
from sealtune.report.events import Note
from sealtune.request import Request
from sealtune.space.config import load_config
from sealtune.workbench import SimulatedClock, simulated_machine

pytestmark = pytest.mark.usefixtures("unexplained")


def test_a_foreign_change_is_told_with_the_value_from_before(store, monkeypatch):
    """The note at the end, kept in the history, has what it reads now and what it was."""

    @contextlib.contextmanager
    def guarded(plan, _ledger, restored):
        with simulated_machine(plan, SimulatedClock()) as machine:
            yield machine
        restored(RestoreReport([], [("vm.dirty_ratio", "37", "20")], []))

    monkeypatch.setattr(session, "real_machine", guarded)
    monkeypatch.setattr(session.control, "listening", lambda *_, **__: contextlib.nullcontext())
    config = load_config(CONFIG)
    plan = make_plan(Request(config=config, dry_run=True, tactician="random", seed=1003, trials=6))
    real = replace(plan, request=replace(plan.request, dry_run=False))
    events = []
    result = session.tune(real, store, events.append)

    said = "Somebody else set vm.dirty_ratio to 37 meanwhile; it was 20"
    assert ("vm.dirty_ratio",) == result.foreign
    assert any(said in note for note in result.notes)
    assert any(said in event.text for event in events if isinstance(event, Note))
