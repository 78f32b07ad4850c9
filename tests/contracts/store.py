"""
What every store must do. To test yours: subclass `StoreContract` and define ``open_store``, a
fixture that yields a function; each call opens the same, at first empty, store again.
"""

import dataclasses
import math
import os
import signal
import threading

import pytest

from sealtune.errors import KeepingError, SessionNotFoundError
from sealtune.store import Experience, NewSession, TrialRow

MEASUREMENT = {
    "value": 812.5,
    "metric": "transactions_per_second",
    "unit": "1/s",
    "direction": "maximize",
    "intervals": [800.0, 825.0],
    "interval_seconds": 1.0,
    "latency_ms": {"p99": 4.5},
    "errors": 2,
    "seconds": 5.25,
    "settle_seconds": 0.5,
    "state": {"cpu_usage": 93.0},
    "cut_short": True,
    "failure": None,
    "unsafe": False,
}


def new_session(**changed):
    return dataclasses.replace(
        NewSession(
            workload="PostgreSQL OLTP",
            description="a write-heavy database",
            config={"action_space": [{"param": "vm.swappiness", "min": 0, "max": 100}]},
            facts={"kernel": "6.18"},
            arguments={"minutes": 20},
            benchmark={"name": "pgbench"},
            seed=7,
            simulated=True,
        ),
        **changed,
    )


def trial(index=0, phase="search", value=1.0, setting=None):
    return TrialRow(phase, index, setting or {"vm.swappiness": 10}, value=value)


def experience(**changed):
    return dataclasses.replace(
        Experience(
            id="20261122-0100-a7",
            session="20261122-0100-a7",
            when=1.5e9,
            description="a low-latency redis cache",
            workload_class="memory_cache",
            traits=("single_client",),
            facts={"kernel": "6.1.0", "cpus": 4, "virtualisation": None},
            baseline={"metric": "requests_per_second", "value": 900.5},
            originals={"vm.swappiness": "60"},
            config={"action_space": [{"param": "vm.swappiness", "min": 1, "max": 100}]},
            strategist="embedded",
            verdict="improved",
            reward=0.25,
            evidence="confirmed",
            gain={"estimate": 1.28, "ci_low": 1.2, "ci_high": 1.4, "pairs": 12},
            setting={"vm.swappiness": 10, "transparent_hugepage/enabled": "never"},
            effects={"vm.swappiness": {"kept": True, "effect": "x1.28 [1.20, 1.40]"}},
            failed=({"vm.swappiness": 150},),
        ),
        **changed,
    )


def in_child(work):
    """Run `work` in a forked process and return its number and the end of a pipe to read from."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    return pid, reading


class StoreContract:
    @pytest.fixture
    def store(self, open_store):
        store = open_store()
        yield store
        store.close()

    def test_a_session_comes_back_as_it_was_begun(self, store):
        """
        Every field of a new session is stored, under a fresh id, as running.
        """
        given = new_session()

        row = store.session(store.begin(given))

        assert dataclasses.asdict(given) == {
            name: getattr(row, name) for name in NewSession.__dataclass_fields__
        }
        assert ("running", None, None, 0) == (row.status, row.finished, row.result, row.trials)

    def test_ids_are_unique_even_within_one_minute(self, store):
        """
        Three hundred sessions begun in one go have three hundred ids.
        """
        assert 300 == len({store.begin(new_session()) for _ in range(300)})

    def test_a_trial_comes_back_with_every_field(self, open_store, store):
        """
        Another reader sees setting, score and each measurement field unchanged, types included.
        """
        session = store.begin(new_session())
        setting = {"vm.swappiness": 10, "transparent_hugepage/enabled": "never"}
        row = TrialRow.of("search", 3, setting, MEASUREMENT, score=101.5)
        store.add_trial(session, row)

        (found,) = open_store().trials(session)

        assert row == found
        assert MEASUREMENT | {"intervals": (800.0, 825.0)} == found.measurement_fields()

    def test_a_failed_trial_is_kept_too(self, store):
        """
        A trial without a value keeps its reason and that it was unsafe.
        """
        session = store.begin(new_session())
        store.add_trial(session, TrialRow("search", 0, {}, failure="out of memory", unsafe=True))

        (found,) = store.trials(session)

        assert (None, "out of memory", True) == (found.value, found.failure, found.unsafe)

    def test_a_sample_that_is_no_number_loses_no_trial(self, store):
        """
        NaN among the intervals or the state does not keep a finished trial from being stored.
        """
        session = store.begin(new_session())
        odd = TrialRow("aa", 0, {}, value=1.0, intervals=(1.0, math.nan), state={"x": math.inf})
        store.add_trial(session, odd)

        (found,) = store.trials(session)

        assert 1.0 == found.intervals[0]
        assert math.isnan(found.intervals[1])
        assert {"x": None} == found.state

    def test_a_finished_trial_never_changes(self, store):
        """
        Storing a trial twice raises and keeps the first.
        """
        session = store.begin(new_session())
        store.add_trial(session, trial(value=1.0))

        with pytest.raises(KeepingError, match="search trial 0 is already stored"):
            store.add_trial(session, trial(value=2.0))

        assert [1.0] == [row.value for row in store.trials(session)]

    def test_trials_come_in_the_order_in_which_they_were_added(self, store):
        """
        The order of adding rules, across phases; one phase can be asked for alone.
        """
        session, other = store.begin(new_session()), store.begin(new_session())
        added = [("aa", 0), ("search", 1), ("sentinel", 0), ("search", 0)]
        for phase, index in added:
            store.add_trial(session, trial(index, phase))
            store.add_trial(other, trial(index, phase))

        assert added == [(row.phase, row.index) for row in store.trials(session)]
        assert [1, 0] == [row.index for row in store.trials(session, "search")]
        assert 4 == store.session(session).trials

    def test_a_finished_session_takes_nothing_more(self, store):
        """
        Its result is kept, and neither a trial nor a second end is taken after it.
        """
        session = store.begin(new_session())
        store.finish(session, "finished", {"verdict": "none", "gain": None, "ratio": math.nan})

        with pytest.raises(KeepingError, match="is finished, not running"):
            store.add_trial(session, trial())
        with pytest.raises(KeepingError, match="is finished, not running"):
            store.finish(session, "failed", {"verdict": "improved"})

        row = store.session(session)
        assert ("finished", {"verdict": "none", "gain": None, "ratio": None}) == (
            row.status,
            row.result,
        )
        assert row.finished >= row.started

    def test_a_session_is_found_by_prefix_and_as_the_last(self, store):
        """
        A unique prefix, "last" and nothing at all name a session; an ambiguous prefix does not.
        """
        first, second = store.begin(new_session()), store.begin(new_session())

        assert first == store.session(first[:-1] if first[:-1] != second[:-1] else first).id
        assert second == store.session("last").id == store.session().id
        with pytest.raises(SessionNotFoundError, match="start of several") as caught:
            store.session(first[:6])
        assert first in str(caught.value)
        assert second in str(caught.value)

    def test_an_unknown_session_names_the_nearest(self, store):
        """
        A misspelt id is an error that shows the right one; so is a trial for no session.
        """
        known = store.begin(new_session())
        misspelt = known.replace("-", "_")

        with pytest.raises(SessionNotFoundError, match=known):
            store.session(misspelt)
        with pytest.raises(SessionNotFoundError, match=known):
            store.add_trial(misspelt, trial())

    def test_an_empty_store_says_so(self, store):
        """
        Asking for the last session of an empty store is an error, listing it is not.
        """
        with pytest.raises(SessionNotFoundError, match="no session yet"):
            store.session("last")
        assert [] == list(store.sessions())

    def test_the_newest_sessions_come_first(self, store):
        """
        Listing is newest first and stops at the limit.
        """
        ids = [store.begin(new_session()) for _ in range(4)]

        assert ids[:1:-1] == [row.id for row in store.sessions(limit=2)]

    def test_readers_see_finished_trials_while_one_session_writes(self, open_store, store):
        """
        A reader in another thread never fails, and sees only whole trials, in order.
        """
        session = store.begin(new_session())
        seen, faults, done = [], [], threading.Event()

        def read():
            reader = open_store()
            try:
                while not done.is_set():
                    seen.append([(row.index, row.intervals) for row in reader.trials(session)])
            except Exception as error:
                faults.append(error)
            finally:
                reader.close()

        thread = threading.Thread(target=read)
        thread.start()
        expected = []
        for index in range(40):
            expected.append((index, (float(index), 1.0)))
            row = TrialRow("search", index, {}, value=1.0, intervals=(float(index), 1.0))
            store.add_trial(session, row)
        done.set()
        thread.join()

        assert [] == faults
        assert all(rows == expected[: len(rows)] for rows in seen)

    @pytest.mark.parametrize("survivors", [1, 7, 23])
    def test_kill_9_keeps_every_finished_trial(self, open_store, survivors):
        """
        A writer killed while it adds trials loses none whose add_trial had returned; its session
        is then found interrupted and can be resumed after the last kept trial.
        """

        def write(pipe):
            store = open_store()
            session = store.begin(new_session())
            os.write(pipe, f"{session}\n".encode())
            for index in range(10_000):
                store.add_trial(session, trial(index, value=float(index)))
                os.write(pipe, b"%d\n" % index)

        pid, pipe = in_child(write)
        with os.fdopen(pipe, "rb") as lines:
            session = lines.readline().decode().strip()
            for _ in range(survivors):
                lines.readline()
            os.kill(pid, signal.SIGKILL)
            confirmed = survivors + len(lines.read().splitlines())
        os.waitpid(pid, 0)

        store = open_store()
        assert (session,) == tuple(store.mark_interrupted())
        assert [session] == [row.id for row in store.resumable()]
        assert "running" == store.resume(session).status
        kept = [row.index for row in store.trials(session)]
        assert kept[:confirmed] == list(range(confirmed))
        assert len(kept) - confirmed in (0, 1)  # one may have been durable but not yet told
        store.add_trial(session, trial(len(kept)))
        store.close()

    def test_a_session_that_runs_is_neither_interrupted_nor_resumed(self, store):
        """
        The session of a living process stays as it is.
        """
        session = store.begin(new_session())

        assert () == tuple(store.mark_interrupted())
        with pytest.raises(KeepingError, match="still runs in process"):
            store.resume(session)

    def test_a_finished_session_is_not_resumed(self, store):
        """
        Only what was interrupted or failed can go on.
        """
        session = store.begin(new_session())
        store.finish(session, "finished", {})

        with pytest.raises(KeepingError, match="is finished"):
            store.resume(session)
        assert [] == list(store.resumable())

    def test_an_experience_comes_back_with_every_field(self, open_store, store):
        """
        Another reader sees what was learnt unchanged, types included; a gain may be missing.
        """
        whole, bare = experience(), experience(id="bare", gain=None, setting={}, failed=())
        store.add_experience(whole)
        store.add_experience(bare)

        assert [bare, whole] == list(open_store().experiences())
        assert whole == store.experience(whole.id)

    def test_an_experience_never_changes(self, store):
        """
        Adding one of the same id raises and keeps the first.
        """
        store.add_experience(experience(reward=0.25))

        with pytest.raises(KeepingError, match="already stored"):
            store.add_experience(experience(reward=0.5))

        assert [0.25] == [one.reward for one in store.experiences()]

    def test_the_newest_experiences_come_first_and_the_simulated_apart(self, store):
        """
        In reverse order of adding, up to the limit; what was simulated only when asked for.
        """
        for number in range(5):
            store.add_experience(experience(id=f"real-{number}"))
            store.add_experience(experience(id=f"dry-{number}", simulated=True))

        assert ["real-4", "real-3"] == [one.id for one in store.experiences(limit=2)]
        assert ["dry-4"] == [one.id for one in store.experiences(1, simulated=True)]
        assert 5 == len(store.experiences())

    def test_experiences_can_be_forgotten_and_trials_cannot(self, store):
        """
        By id, by unique prefix, or all; the session and its trials stay as they were.
        """
        session = store.begin(new_session())
        store.add_trial(session, trial())
        for name in ("alpha", "beta", "gamma", "delta"):
            store.add_experience(experience(id=name, session=session))

        assert 2 == store.forget(["beta", "gam"])
        assert ["delta", "alpha"] == [one.id for one in store.experiences()]
        assert 2 == store.forget(None)
        assert () == tuple(store.experiences())
        assert 1 == len(store.trials(session))

    def test_an_id_beats_the_ids_that_begin_with_it(self, store):
        """
        The strategies of one contest share a beginning; the plain id names the winner's.
        """
        for name in ("a7", "a7.2", "a7.3"):
            store.add_experience(experience(id=name))

        assert "a7" == store.experience("a7").id
        assert 1 == store.forget(["a7"])
        assert ["a7.3", "a7.2"] == [one.id for one in store.experiences()]

    @pytest.mark.parametrize("wanted", ["a", "nothing", ""])
    def test_forgetting_what_is_not_clear_forgets_nothing(self, store, wanted):
        """
        An ambiguous or unknown id among several is an error that names what there is.
        """
        for name in ("a7.2", "a7.3"):
            store.add_experience(experience(id=name))

        with pytest.raises(SessionNotFoundError, match=r"a7\.3") as caught:
            store.forget(["a7.2", wanted])

        assert "memory list" in caught.value.fix
        assert 2 == len(store.experiences())

    def test_a_killed_writer_loses_no_experience(self, open_store):
        """
        An experience is durable when `add_experience` returns.
        """

        def write(pipe):
            store = open_store()
            for number in range(10_000):
                store.add_experience(experience(id=str(number)))
                os.write(pipe, b"%d\n" % number)

        pid, pipe = in_child(write)
        with os.fdopen(pipe, "rb") as lines:
            for _ in range(5):
                lines.readline()
            os.kill(pid, signal.SIGKILL)
            told = 5 + len(lines.read().splitlines())
        os.waitpid(pid, 0)

        store = open_store()
        assert len(store.experiences(limit=100_000)) - told in (0, 1)
        store.close()
