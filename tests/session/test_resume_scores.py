"""A session resumed on a restless machine: its tactician knows what it would have known."""

import contextlib
import math
from dataclasses import replace

import pytest
from tests.session.test_resume_search import ignore, stop_after, strategies, wish

from sealtune import seeking, session
from sealtune.entry import resumable_request
from sealtune.planning import make_plan
from sealtune.session import tune
from sealtune.workbench import Machine

pytestmark = pytest.mark.usefixtures("unexplained")
TRIALS = 30
CHANGE = 22
"""Run of the session from which on the machine is 40 % slower."""


class Spy:
    """A tactician that keeps all that it is told, in order."""

    def __init__(self, sampler):
        self.name, self.sampler, self.events = sampler.name, sampler, []

    def ask(self):
        return self.sampler.ask()

    def tell(self, setting, score):
        self.events.append(("told", dict(setting), score))
        self.sampler.tell(setting, score)

    def retell(self, trials):
        self.events.append(("told anew", [(dict(setting), score) for setting, score in trials]))


@pytest.fixture
def spies(monkeypatch):
    built = []
    real = seeking.prepare_tactician

    def prepare(*arguments, **options):
        built.append(Spy(real(*arguments, **options)))
        return built[-1]

    monkeypatch.setattr(seeking, "prepare_tactician", prepare)
    return built


@pytest.fixture(autouse=True)
def changing(monkeypatch):
    """A machine that becomes slower in the middle of the first search, and drifts all along."""
    real = session.simulated_machine

    @contextlib.contextmanager
    def machine_of(plan, clock):
        with real(plan, clock) as machine:
            runs = iter(range(10_000))

            def measure(setting, *, should_stop=None):
                run = machine.measure(setting)
                at = next(runs)
                factor = (0.6 if at >= CHANGE else 1.0) * math.exp(-0.002 * at)
                intervals = tuple(factor * one for one in run.intervals)
                value = None if run.value is None else factor * run.value
                return replace(run, value=value, intervals=intervals)

            yield Machine(measure, machine.live)

    monkeypatch.setattr(session, "simulated_machine", machine_of)


def resumed(store, notify=ignore):
    request, name = resumable_request()
    return tune(make_plan(request), store, notify, resume=name)


def is_told_anew(events):
    return any(what == "told anew" for what, *_ in events)


@pytest.mark.parametrize("done", [3, 13, 14, 18, 19, 20, 25])
def test_a_tactician_is_told_again_what_it_was_told(store, spies, done):
    """
    First scores and corrected ones, bit by bit and in the same order, as of each moment: before
    the change, while it is not yet recognised, and after the scores were corrected for it.
    """
    tune(make_plan(wish(trials=TRIALS)), store, stop_after(done, "search"))
    (first,) = spies
    was_told = list(first.events)
    resumed(store, stop_after(1, "aa"))

    # The last trial was stored, and not told: Ctrl-C came before.
    assert spies[-1].events[: len(was_told)] == was_told
    assert sum(what == "told" for what, *_ in spies[-1].events) == done


def test_the_corrections_are_those_of_the_uninterrupted_search(store, spies):
    """Interrupted at any trial, what has been told until then is what would have been told."""
    tune(make_plan(wish(trials=TRIALS)), store, ignore)
    (whole,) = spies
    told = [at for at, (what, *_) in enumerate(whole.events) if what == "told"]
    for done in (14, 20, 25):
        tune(make_plan(wish(trials=TRIALS)), store, stop_after(done, "search"))
        resumed(store, stop_after(1, "aa"))
        store.finish(store.resume(store.session().id).id, "failed")

        # What came right after the last trial's own score includes what it made others look like.
        assert spies[-1].events == whole.events[: told[done]]
    assert is_told_anew(whole.events)


def test_a_second_interruption_replays_both_processes(store, spies):
    """What the first process and the second one told comes back, the first one's scores fixed."""
    tune(make_plan(wish(trials=TRIALS)), store, stop_after(16, "search"))
    resumed(store, stop_after(9, "search"))
    before = list(spies[-1].events)
    resumed(store, stop_after(1, "aa"))

    assert len(spies) == 3
    assert spies[-1].events[: len(before)] == before
    assert sum(what == "told" for what, *_ in spies[-1].events) == 25
    assert is_told_anew(before)


def test_a_process_that_ended_in_its_first_runs_changes_no_score(store, spies):
    """Interrupted during the A/A runs of a resumed session, the next one learns the same."""
    tune(make_plan(wish(trials=TRIALS)), store, stop_after(16, "search"))
    resumed(store, stop_after(4, "aa"))
    once = list(spies[-1].events)
    resumed(store, stop_after(3, "aa"))
    resumed(store, stop_after(2, "search"))

    assert spies[-1].events[: len(once)] == once
    resumed(store, stop_after(1, "aa"))
    assert spies[-1].events[: len(once)] == once


def test_what_was_found_out_last_is_told_after_the_first_new_trial(store, spies):
    """
    A correction that the interruption kept from the tactician reaches it as soon as it would have:
    with the next finished trial.
    """
    tune(make_plan(wish(trials=TRIALS)), store, stop_after(4, "sentinel"))
    known = len(store.trials(store.session().id, "search"))
    resumed(store, stop_after(known and 3, "search"))
    (_, second) = spies
    later = [what for what, *_ in second.events]
    new = [at for at, what in enumerate(later) if what == "told"][known]

    assert later[new + 1] == "told anew"
    assert len(second.events[new + 1][1]) == known + 1


def test_the_report_counts_corrected_scores(store, found):
    """The best reward of a resumed session is not one that flattered before the correction."""
    tune(make_plan(wish(trials=TRIALS)), store, stop_after(25, "search"))
    resumed(store)
    stored = [row.score for row in store.trials(store.session().id, "search")]
    scores = [trial.score for trial in found[-1].search.trials]

    assert len(scores) == TRIALS
    assert scores[:25] != stored[:25]
    for trial in found[-1].search.trials:  # half of each is the ratio to the baseline
        if trial.relative is not None:
            assert trial.score <= 50 * trial.relative + 50 + 1e-6
            assert trial.score >= 50 * trial.relative


@pytest.mark.parametrize("kind", ["contest", "compare"])
def test_each_lane_is_told_again_what_it_was_told(store, spies, kind):
    """Strategies or tacticians that share the baselines: to each one its own corrections."""
    asked = strategies() if kind == "contest" else wish(trials=TRIALS, compare=("sobol",))
    tune(make_plan(asked), store, stop_after(26, "search"))
    before = [list(spy.events) for spy in spies]
    resumed(store, stop_after(1, "aa"))

    again = spies[len(before) :]
    assert len(again) == len(before) >= 2
    for spy, was_told in zip(again, before, strict=True):
        assert spy.events[: len(was_told)] == was_told
    assert any(is_told_anew(events) for events in before)
