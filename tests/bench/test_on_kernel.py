"""The comparison on the kernel, here on a simulated one: nothing lost, nothing twice."""

import contextlib
import fcntl
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from bench.on_kernel import __main__ as program
from bench.on_kernel import lane, sitting
from bench.on_kernel.book import Book, read_book
from bench.on_kernel.lines import AS_FOUND, RECORDED
from bench.on_kernel.outcome import arms_of, outcomes, rounds_left, trials_of
from bench.on_kernel.pooling import pool
from bench.on_kernel.table import tables

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BusyError, ConfigError, InputError, KeepingError, TooManyFailuresError
from sealtune.guard import RestoreReport
from sealtune.workbench import Machine


def require_complete(told, wishes):
    """Every search has every trial once, in order, and every round is whole."""
    for seed in wishes.seeds:
        for name in wishes.scenarios:
            runs = told.of(name, seed)
            for tactician in wishes.tacticians:
                trials = trials_of(told.scenarios[name], runs, tactician)
                assert [trial.index for trial in trials] == list(range(wishes.trials))
            assert rounds_left(told.study, told.scenarios[name], runs) == []


def test_tacticians_take_turns_with_baselines_between(whole, wishes):
    """In each turn everybody has one trial; six runs at most lie between two baselines."""
    require_complete(whole, wishes)
    runs = whole.of("one", 1000)
    searched = [run for run in runs if run.phase == "search"]
    for turn in range(wishes.trials):
        ours = searched[2 * turn : 2 * turn + 2]
        assert {run.arm for run in ours} == {"random", "grid"}
        assert {run.number for run in ours} == {turn}
    kinds = "".join(run.phase[0] for run in runs)
    assert kinds.startswith("b" * 6)
    assert "s" * 7 not in kinds
    assert len({run.arm for run in searched[::2]}) == 2, "the order within a turn is random"


def test_every_arm_runs_once_in_every_round(whole, wishes):
    """Values as found, best recorded point and each recommendation meet the same machine."""
    confirming = [run for run in whole.of("one", 1001) if run.phase == "confirm" and run.value]
    arms = Counter((run.number, run.arm) for run in confirming)

    assert set(arms) == {(n, arm) for n in range(6) for arm in arms_of(whole.study)}
    assert {run.arm for run in confirming if not run.setting} == {AS_FOUND}
    orders = {tuple(run.arm for run in confirming if run.number == n) for n in range(6)}
    assert len(orders) > 1, "the order within a round is random"
    best = whole.scenarios["one"].best
    assert all(run.setting == best for run in confirming if run.arm == RECORDED)


def test_each_tactician_learns_from_its_own_trials(run_bench, monkeypatch, tmp_path):
    """What a tactician is told is what it asked for, each once, in order; nothing of another's."""
    spies = []

    class Spy:
        def __init__(self, sampler):
            self.name, self.sampler, self.asked, self.told = sampler.name, sampler, [], []
            spies.append(self)

        def ask(self):
            self.asked.append(self.sampler.ask())
            return dict(self.asked[-1])

        def tell(self, setting, score):
            self.told.append(setting)
            self.sampler.tell(setting, score)

    real = lane.prepare_tactician
    monkeypatch.setattr(lane, "prepare_tactician", lambda *a, **k: Spy(real(*a, **k)))
    run_bench(tmp_path / "runs.jsonl", seeds=(1000,))

    assert sorted(spy.name for spy in spies) == ["grid", "random"]
    assert all(spy.told == spy.asked and len(spy.told) == 8 for spy in spies)


@pytest.mark.parametrize("stop_after", [1, 5, 6, 7, 9, 14, 20, 24, 27, 30, 47, 52, 70, 90])
def test_interrupted_and_resumed_no_trial_is_lost_or_run_twice(
    run_bench, whole, wishes, tmp_path, stop_after
):
    """Ctrl-C after any number of runs, the same command again: every trial once, in order."""
    path = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_bench(path, stop_after=stop_after)
    before = path.read_bytes()
    assert len(read_book(path).runs) == stop_after
    assert run_bench(path)
    told = read_book(path)

    assert path.read_bytes().startswith(before)
    require_complete(told, wishes)
    for tactician in wishes.tacticians:  # these two do not look at the scores
        for seed in wishes.seeds:
            ours, uninterrupted = (
                [t.setting for t in trials_of(x.scenarios["one"], x.of("one", seed), tactician)]
                for x in (told, whole)
            )
            assert ours == uninterrupted


def test_interrupted_after_every_few_runs_it_still_ends(run_bench, wishes, tmp_path):
    """A bench that never gets further than twelve runs at a time ends complete all the same."""
    path = tmp_path / "runs.jsonl"
    for _ in range(40):
        try:
            assert run_bench(path, stop_after=12, seeds=(1000,))
            break
        except KeyboardInterrupt:
            continue
    told = read_book(path)

    require_complete(told, replace(wishes, seeds=(1000,)))
    assert told.runs[-1].stretch >= 4


def test_the_first_runs_after_an_interruption_are_baselines(run_bench, tmp_path):
    """Runs are compared with baselines of their own process, so each begins with some."""
    path = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_bench(path, stop_after=12)
    run_bench(path)
    second = [run for run in read_book(path).runs if run.stretch == 1]

    assert {run.phase for run in second[:6]} == {"baseline"}


def test_a_complete_file_is_left_alone(run_bench, tmp_path):
    """The same command once more measures nothing; another seed is added to the file."""
    path = tmp_path / "runs.jsonl"
    run_bench(path, seeds=(1000,))
    before = path.read_bytes()
    assert run_bench(path, seeds=(1000,))
    assert path.read_bytes() == before
    run_bench(path, seeds=(1000, 1001))
    assert {run.seed for run in read_book(path).runs} == {1000, 1001}


def test_minutes_stop_it_between_two_runs(run_bench, wishes, tmp_path):
    """When the minutes are over no run starts; the same command goes on to the end."""
    path = tmp_path / "runs.jsonl"
    seconds = iter(range(10_000))
    done = run_bench(path, minutes=1.0, clock=lambda: float(next(seconds)))
    count = len(read_book(path).runs)

    assert not done
    assert 0 < count < 60
    assert run_bench(path)
    require_complete(read_book(path), wishes)


def test_seeds_come_before_scenarios(run_bench, tmp_path):
    """A bench that is ended early has something of every scenario."""
    path = tmp_path / "runs.jsonl"
    run_bench(path, scenarios=("one", "two"))
    order = dict.fromkeys((run.seed, run.scenario) for run in read_book(path).runs)

    assert list(order) == [(1000, "one"), (1000, "two"), (1001, "one"), (1001, "two")]


def test_recommendations_are_confirmed_anew(run_bench, wishes, tmp_path):
    """Fresh rounds of what the searches recommended, seeds in turns; interrupted, it goes on."""
    searched, path = tmp_path / "runs.jsonl", tmp_path / "again.jsonl"
    run_bench(searched)
    asked = {"again": searched, "rounds": 9}
    with pytest.raises(KeyboardInterrupt):
        run_bench(path, stop_after=21, **asked)
    run_bench(path, **asked)
    told, first = read_book(path), read_book(searched)

    assert not [run for run in told.runs if run.phase == "search"]
    for seed in wishes.seeds:
        runs = told.of("one", seed)
        assert rounds_left(told.study, told.scenarios["one"], runs) == []
        for arm in arms_of(told.study):
            settings = [
                [run.setting for run in runs if run.phase == "confirm" and run.arm == arm]
                for runs in (runs, first.of("one", seed))
            ]
            assert settings[0][0] == settings[1][0]
    rounds = dict.fromkeys((run.number, run.seed) for run in told.runs if run.phase == "confirm")
    assert list(rounds)[:4] == [(0, 1000), (0, 1001), (1, 1000), (1, 1001)]
    assert "searches of another file, 9 confirming rounds" in tables(told)
    with pytest.raises(ConfigError, match="trials: 0 there"):
        run_bench(path)


def test_confirmations_of_the_same_searches_are_read_as_one(run_bench, tmp_path):
    """6 and 9 fresh rounds are 15; other searches and files with searches are refused."""
    searched, other = tmp_path / "runs.jsonl", tmp_path / "other.jsonl"
    few, more, others = (tmp_path / f"{name}.jsonl" for name in ("few", "more", "others"))
    run_bench(searched)
    run_bench(other, trials=9)
    run_bench(few, again=searched, rounds=6)
    run_bench(more, again=searched, rounds=9)
    run_bench(others, again=other, rounds=6)
    told = {path: read_book(path) for path in (few, more, others, searched)}
    pooled = pool({path: told[path] for path in (few, more)})
    (outcome,) = outcomes(pooled)

    gains = outcomes(told[few])[0].gains[RECORDED], outcomes(told[more])[0].gains[RECORDED]
    assert outcome.gains[RECORDED].tolist() == np.hstack(gains).tolist()
    assert "15 confirming rounds" in tables(pooled)
    with pytest.raises(ConfigError, match="confirms other searches"):
        pool({path: told[path] for path in (few, others)})
    with pytest.raises(ConfigError, match="holds searches"):
        pool({path: told[path] for path in (searched, few)})
    with pytest.raises(ConfigError, match="holds another comparison"):
        pool({path: told[path] for path in (few, searched)})


def test_a_search_that_is_not_complete_is_not_confirmed_anew(run_bench, tmp_path):
    """What is missing is named, with the way out; no file is begun."""
    searched, path = tmp_path / "runs.jsonl", tmp_path / "again.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_bench(searched, stop_after=20)
    with pytest.raises(ConfigError, match=r"has . of 8 trials"):
        run_bench(path, again=searched)
    assert not path.exists()


def test_a_torn_last_line_is_measured_again(run_bench, wishes, tmp_path):
    """What a crash tears off is dropped, and its run is the next one."""
    path = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_bench(path, stop_after=15)
    path.write_bytes(path.read_bytes()[:-30])
    assert len(read_book(path).runs) == 14
    run_bench(path)
    require_complete(read_book(path), wishes)


@pytest.mark.parametrize("content", ["my notes", "my notes\n", "{}\n", '{"kind":"run"}\n'])
def test_a_foreign_file_is_refused_and_kept(run_bench, tmp_path, content):
    """A file that is none of ours stays as it is."""
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError):
        run_bench(path)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"trials": 9}, "trials: 8 there, 9 now"), ({"tacticians": ("random",)}, "tacticians")],
)
def test_another_comparison_is_not_mixed_in(run_bench, tmp_path, asked, named):
    """A file of other trials or tacticians is refused; the message says what differs."""
    path = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_bench(path, stop_after=3)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=named):
        run_bench(path, **asked)
    assert path.read_bytes() == before


def test_a_machine_whose_values_have_changed_is_refused(wishes, prepared, tmp_path):
    """Searches over other values as found cannot be pooled; the parameter is in the message."""
    scenario = prepared("one", wishes).scenario
    header = scenario.header
    other = scenario.model_copy(
        update={"header": header.model_copy(update={"originals": {"vm.dirty_ratio": "77"}})}
    )
    with Book(tmp_path / "runs.jsonl", wishes.study) as book:
        book.begin(scenario)
        assert book.begin(scenario) == scenario
        with pytest.raises(ConfigError, match="originals"):
            book.begin(other)


def test_two_at_once_are_refused(run_bench, wishes, tmp_path):
    """While one process writes a file, another one is turned away."""
    path = tmp_path / "runs.jsonl"
    with Book(path, wishes.study), pytest.raises(BusyError):
        run_bench(path)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            run_bench(path)


def test_a_place_that_cannot_be_written_is_said(run_bench, tmp_path):
    """A folder that is not there is found before anything is measured."""
    with pytest.raises(KeepingError, match="cannot be written"):
        run_bench(tmp_path / "nowhere" / "runs.jsonl")


def test_a_trial_that_is_missing_or_twice_in_a_file_is_found(run_bench, tmp_path):
    """A file somebody has cut or doubled is refused, whatever its numbers say."""
    path = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_bench(path, stop_after=20)
    lines = path.read_text().splitlines(keepends=True)
    twice = next(line for line in lines[::-1] if '"phase":"search"' in line)
    twice = re.sub(r'"n":\d+', '"n":20', twice)
    path.write_text("".join([*lines, twice]))
    with pytest.raises(ConfigError, match="comes twice"):
        read_book(path)
    path.write_text("".join([*lines[:12], *lines[13:]]))
    with pytest.raises(ConfigError, match="gap"):
        read_book(path)


class Fake:
    """A real machine that is none: says what it was told, and whether it was left."""

    def __init__(self, measure):
        self.measure, self.left = measure, 0

    @contextlib.contextmanager
    def __call__(self, _plan, _ledger, restored):
        try:
            yield Machine(self.measure, dict)
        finally:
            self.left += 1
            restored(RestoreReport([], [("vm.dirty_ratio", "7", "20")], []))


@pytest.fixture
def on_fake(wishes, prepared, monkeypatch, tmp_path):
    """One sitting on a machine that counts as real."""

    def run(measure):
        fake = Fake(measure)
        monkeypatch.setattr(sitting, "real_machine", fake)
        ready = prepared("one", wishes)
        plan = replace(ready.plan, request=replace(ready.plan.request, dry_run=False))
        study = wishes.study.model_copy(update={"simulated": False})
        with Book(tmp_path / "runs.jsonl", study) as book:
            book.begin(ready.scenario)
            try:
                sitting.sit(
                    replace(ready, plan=plan), 1000, book, lambda: True, lambda where: None
                )
            except BaseException as error:
                return fake, book, error
            return fake, book, None

    return run


def test_a_real_bench_goes_through_the_guard_and_says_what_others_changed(on_fake, capsys):
    """Without --dry-run runs go to the real machine; it is left when the sitting is over."""
    fake, book, error = on_fake(lambda setting, should_stop=None: Measurement(10.0))

    assert error is None
    assert fake.left == 1
    assert len([run for run in book.runs if run.phase == "search"]) == 16
    assert "vm.dirty_ratio" in capsys.readouterr().out


def test_ctrl_c_in_the_middle_of_a_run_leaves_the_machine(on_fake):
    """A run that Ctrl-C breaks into is not in the file, and the machine is put back."""
    calls = iter(range(1000))

    def measure(_setting, *, should_stop=None):
        if next(calls) == 9:
            raise KeyboardInterrupt
        return Measurement(10.0)

    fake, book, error = on_fake(measure)

    assert isinstance(error, KeyboardInterrupt)
    assert (fake.left, len(book.runs)) == (1, 9)


def test_a_broken_benchmark_ends_it(on_fake):
    """Four failed baselines in a row end the sitting; the machine is put back."""
    fake, book, error = on_fake(lambda setting, should_stop=None: failed("no server"))

    assert isinstance(error, TooManyFailuresError)
    assert "no server" in str(error)
    assert (fake.left, len(book.runs)) == (1, 4)


def test_an_arm_without_a_value_is_tried_three_times_a_round(on_fake, tmp_path):
    """A recommendation that fails every time does not keep the rounds from their end."""
    tried = []

    def measure(setting, *, should_stop=None):
        if not setting:
            return Measurement(10.0)
        tried.append(setting)
        return Measurement(12.0) if len(tried) <= 16 else failed("crashed")

    _, book, error = on_fake(measure)
    runs = [run for run in book.runs if run.phase == "confirm"]
    tries = Counter((run.number, run.arm) for run in runs)

    assert error is None
    assert {count for (_, arm), count in tries.items() if arm != AS_FOUND} == {3}
    assert {count for (_, arm), count in tries.items() if arm == AS_FOUND} == {1}
    told = read_book(tmp_path / "runs.jsonl")
    assert rounds_left(told.study, told.scenarios["one"], told.runs) == []


def test_progress_is_one_line_in_ten_seconds():
    """However quick the runs are, lines of progress are ten seconds apart."""
    now, said = [0.0], []
    progress = program.Progress(100, 20, said.append, lambda: now[0])
    for _ in range(50):
        now[0] += 1.0
        progress("somewhere")

    assert len(said) == 5
    assert said[0] == "somewhere; 30 of about 100 runs, 1:10 left"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"tacticians": ("random", "genius")}, "genius: allowed: ppo"),
        ({"tacticians": ()}, "--tacticians"),
        ({"scenarios": ("one", "one")}, "--scenarios"),
        ({"trials": 1}, "--trials 1: allowed"),
        ({"rounds": 7}, "--rounds 7: allowed: 6, 9"),
        ({"run_seconds": 0.1}, "--run-seconds 0.1: allowed"),
        ({"seeds": ()}, "--seeds"),
    ],
)
def test_bad_wishes_name_the_option_and_what_is_allowed(wishes, asked, named):
    """A wish that makes no sense is refused before anything is planned."""
    with pytest.raises(InputError, match=named):
        replace(wishes, **asked).check()


def test_the_program_runs_and_prints_its_table(wishes, prepared, monkeypatch, tmp_path, capsys):
    """From the command line: what it will do and that it is simulated, then the table."""
    monkeypatch.setattr(program, "prepare_scenario", prepared)
    path = tmp_path / "runs.jsonl"
    asked = ["--scenarios", "one", "--tacticians", "random", "--trials", "4", "--seeds", "1"]
    asked += ["--first", "1000", "--surfaces", str(wishes.surfaces), "--dry-run"]

    assert program.main([*asked, "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert "SIMULATED" in out
    assert "runs, 0 of them done" in out
    assert program.main(["--table", str(path)]) == 0
    table = capsys.readouterr().out
    assert table.startswith("SIMULATED")
    assert "| one " in table
    assert table in out


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ([], 10, "--out"),
        (["--table", "nowhere.jsonl"], 12, "nowhere.jsonl cannot be read"),
        (["--out", "x", "--minutes-most", "0"], 10, "--minutes-most 0"),
        (["--out", "x", "--dry-run", "--tacticians", "genius"], 10, "genius"),
    ],
)
def test_mistakes_are_two_lines_and_a_code(arguments, code, named, capsys):
    """A mistake is said with what to do, never with a traceback."""
    assert program.main(arguments) == code
    told = capsys.readouterr().err
    assert named in told
    assert "fix:" in told
