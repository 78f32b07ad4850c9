"""The comparison of searches: what is run, what is kept, and what the tables make of it."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from importlib import import_module

import numpy as np
import psutil
import pytest
from bench.families import family
from bench.ground import Ground
from bench.search_quality import figures, grounds, methods, results
from bench.search_quality.figures import Figures
from bench.search_quality.priors import right_prior, wrong_prior
from bench.search_quality.results import Results, open_results
from bench.search_quality.runs import EVERY, Job, Outcome, jobs, reached, run
from bench.search_quality.tables import report

from sealtune.errors import ConfigError
from sealtune.space.knobs import IntKnob
from sealtune.space.space import Space
from sealtune.survey.surface import load_surface
from sealtune.tactician import PolicyOptions, search
from sealtune.tactician.prior import FocusBox

COUNTS = (10, 20)
BASE = {"ppo": 0.2, "tpe": 0.4, "random": 0.5, "no-policy": 0.3, "with-prior": 0.1, "misled": 0.25}


def outcome(method, seed, regret, *, surface="four-cliff", after=15):
    """Return a made-up search whose regret after 20 trials is half of that after 10."""
    job = Job(surface, method, seed, 20, COUNTS)
    return Outcome(job, {10: regret, 20: regret / 2}, after, 0.01, 1, 4, 0.5, 0.03, None)


def made_up(seeds=range(8), surface="four-cliff", base=BASE):
    generator = np.random.default_rng(0)
    return [
        outcome(method, seed, level + generator.uniform(0.0, 0.05), surface=surface)
        for seed in seeds
        for method, level in base.items()
    ]


def kept(path, outcomes):
    """Return the results in `path` after `outcomes` were added."""
    found = open_results(path, COUNTS, separate=False)
    for one in outcomes:
        found.add(one)
    return found


def test_a_search_is_judged_by_the_truth():
    """Random search: the regret is that of the recommendation, the same at every repetition."""
    job = Job("four-cliff", "random", 1000, 20, COUNTS)
    first, second = run(job), run(job)
    ground = family("four-cliff", 1000)
    found = search(ground.space, ground.benchmark(), 20, tactician="random", seed=1000)

    assert {count: ground.regret(found.recommended(count)) for count in COUNTS} == first.regrets
    assert first.regrets == second.regrets
    assert first.cpu_seconds > 0
    assert (4, ground.best, ground.noise) == (first.knobs, first.gain, first.noise)


@pytest.mark.parametrize(
    ("regrets", "expected"),
    [
        ({5: 0.9, 10: 0.04, 15: 0.01, 20: 0.0, 22: 0.0}, 10),
        ({5: 0.01, 10: 0.9, 15: 0.01, 20: 0.0, 22: 0.0}, 15),
        ({5: 0.01, 10: 0.01, 15: 0.01, 20: 0.01, 22: 0.06}, None),
        ({5: 0.9, 10: 0.9, 15: 0.9, 20: 0.9, 22: 0.049}, 22),
        ({5: 0.0, 10: 0.0, 15: 0.0, 20: 0.0, 22: 0.0}, 5),
    ],
)
def test_95_percent_counts_when_it_is_kept(regrets, expected):
    """What is lost again does not count; the last trial is looked at whatever its number."""

    class Found:
        trials = tuple(range(22))

        def recommended(self, count):
            return {"a": count}

    ground = Ground("made up", Space([IntKnob("a", 0, 30)]), lambda s: 1.0 - regrets[s["a"]],
                    {"a": -1}, 0.05, lambda: None)  # fmt: skip
    regrets = {**regrets, -1: 0.0}

    assert expected == reached(Found(), ground)


def test_jobs_go_seed_by_seed():
    """All methods and surfaces of a seed come before the next one, so that stopping is fair."""
    listed = jobs(("ppo", "tpe"), ("x", "y"), range(3), (30, 10))

    assert [0] * 4 + [1] * 4 + [2] * 4 == [job.seed for job in listed]
    assert {(10, 30)} == {job.counts for job in listed}
    assert {30} == {job.told for job in listed}


def test_who_plans_a_quarter_of_its_trials_is_told_each_count():
    """SMAC, whose first design would be all of 30 trials of 120, is never judged on the way."""
    listed = jobs(("smac", "gp"), ("x",), [0], COUNTS)

    assert [("smac", 10), ("smac", 20), ("gp", 20)] == [(one.method, one.told) for one in listed]


def test_separate_searches_are_for_those_who_plan():
    """A method that knows its budget searches once for each count; for others it is the same."""
    listed = jobs(("ppo", "random"), ("x",), [0], COUNTS, separate=True)

    assert [("ppo", 10, (10,), False), ("ppo", 20, (20,), True), ("random", 20, COUNTS, True)] == [
        (job.method, job.told, job.counts, job.whole) for job in listed
    ]


def test_what_is_finished_is_not_run_again(tmp_path):
    """Opened again, the file holds every search; only the others are left to do."""
    done = made_up(seeds=(0, 1))
    kept(tmp_path / "a.jsonl", done)
    again = open_results(tmp_path / "a.jsonl", (20, 10), separate=False)
    wanted = [one.job for one in made_up(seeds=(0, 1, 2))]

    assert tuple(done) == again.outcomes
    assert [job for job in wanted if job.seed == 2] == again.without(wanted)


def test_a_torn_last_line_is_left_out(tmp_path):
    """A crash in the middle of a line costs that search alone, and the file goes on."""
    path = tmp_path / "a.jsonl"
    done = made_up(seeds=(0,))
    kept(path, done)
    path.write_text(path.read_text()[:-20])

    again = kept(path, [done[-1]])

    assert tuple(done) == again.outcomes == Results.load(path).outcomes


def test_results_of_other_code_are_not_mixed(tmp_path, monkeypatch):
    """Another fingerprint, or other counts of trials: refused, with what to do."""
    kept(tmp_path / "a.jsonl", made_up(seeds=(0,)))
    with pytest.raises(ConfigError, match="--trials 10,20") as error:
        open_results(tmp_path / "a.jsonl", (30,), separate=False)
    assert "--out" in error.value.fix
    monkeypatch.setattr(results, "fingerprint", lambda: "other")

    with pytest.raises(ConfigError, match="results of other code"):
        open_results(tmp_path / "a.jsonl", COUNTS, separate=False)


def test_the_fingerprint_follows_the_code(tmp_path):
    """A changed tactician is another version; a changed table is not."""
    source = tmp_path / "src/sealtune/tactician/ppo.py"
    table = tmp_path / "bench/search_quality/tables.py"
    prints = []
    for path, text in ((source, "1"), (table, "1"), (table, "2"), (source, "2")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        prints.append(results.fingerprint(tmp_path))

    assert prints[0] == prints[1] == prints[2] != prints[3]


@pytest.mark.parametrize(
    ("text", "match"),
    [("", "no file of search results"), ('{"format": "x"}\n', "no file of search results"),
     ("[1]\n", "line 1: not a JSON object")],
)  # fmt: skip
def test_another_file_is_refused(tmp_path, text, match):
    """A file that is something else is an error that names it, never overwritten."""
    path = tmp_path / "a.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigError, match=match):
        Results.load(path)
    assert text == path.read_text()


def test_a_line_that_is_no_search_is_named(tmp_path):
    """The error has the number of the line."""
    path = tmp_path / "a.jsonl"
    kept(path, made_up(seeds=(0,)))
    with path.open("a") as file:
        file.write(json.dumps({"job": {}}) + "\n")

    with pytest.raises(ConfigError, match=f"line {len(BASE) + 2}"):
        Results.load(path)


def test_only_seeds_that_every_method_has_are_counted():
    """A seed that one method has not finished counts for none, and the tables say so."""
    done = made_up(seeds=range(4))[:-1]
    found = Figures(done, COUNTS)

    assert (0, 1, 2) == found.seeds("four-cliff")
    assert len(BASE) - 1 == found.dropped
    assert 3 == len(found.regrets("four-cliff", "ppo", 10))


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [((0.2, 0.4), "wins"), ((0.4, 0.4), "within"), ((0.6, 0.4), "loses")],
)
def test_a_cell_is_won_or_lost_by_its_whole_interval(levels, verdict):
    """Paired by seed, against the best peer: the interval of the difference decides."""
    base = {"ppo": levels[0], "tpe": levels[1], "random": 0.9}
    cells = Figures(made_up(seeds=range(12), base=base), COUNTS).cells("ppo", ("random", "tpe"))

    assert ["tpe", "tpe"] == [cell.peer for cell in cells]
    assert [verdict, verdict] == [cell.verdict for cell in cells]


def test_regrets_are_clipped():
    """A terrible recommendation counts 1.5, a hair better than the best 0."""
    found = Figures([outcome("ppo", 0, 9.0), outcome("ppo", 1, -0.01)], COUNTS)

    assert [1.5, 0.0] == found.regrets("four-cliff", "ppo", 10).tolist()


def test_ranks_share_ties():
    """The best is 1; two that are equal share their mean rank."""
    same = [outcome(m, 0, level) for m, level in (("ppo", 0.1), ("tpe", 0.3), ("random", 0.3))]
    cells, singles = Figures(same, COUNTS).ranks(("ppo", "tpe", "random"))

    assert {"ppo": 1.0, "tpe": 2.5, "random": 2.5} == cells == singles


def test_a_search_that_never_gets_there_counts_as_one_look_more():
    """It is worse than any that does, and its median is not left out."""
    done = [outcome("ppo", seed, 0.1, after=None if seed else 10) for seed in range(3)]
    found = Figures(done, COUNTS)

    assert [10, 20 + EVERY, 20 + EVERY] == found.needed("ppo").tolist()


def test_intervals_hold_their_estimates():
    """Each estimate lies in its interval; a constant has none."""
    values = np.random.default_rng(1).normal(1.0, 0.2, 20)
    found = [
        figures.median(values), figures.centre(values), figures.mean([values, values + 1.0]),
        figures.ratio(values, values * 2.0),
    ]  # fmt: skip

    assert all(one.low <= one.value <= one.high for one in found)
    assert found[3].value == pytest.approx(0.5)
    assert (1.0, 1.0, 1.0) == tuple(vars(figures.median(np.ones(5))).values())


def test_the_report_has_every_table(tmp_path):
    """From the file alone: surfaces, regrets, the peers, ranks, trials, the prior, time, parts."""
    kept(tmp_path / "a.jsonl", [*made_up(), *made_up(surface="twelve-sparse")])
    text = report(Results.load(tmp_path / "a.jsonl"))

    assert "4 better, 0 within, 0 worse; at least as good in 4 of 4 cells (100%)" in text
    for title in ("The surfaces", "Regret after 10 trials", "Regret after 20 trials", "Ranks",
                  "Trials to 95%", "with-prior against the quickest peer", "Thinking",
                  "Regret less that of ppo", "by surface after 20 trials"):  # fmt: skip
        assert title in text
    assert all(line.count("|") > 2 for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize(
    ("peer", "believer", "expected"),
    [(10, 5, "0.50 ["), (None, 5, "at most 0.20 ["), (10, None, "at least 2.50 ["),
     (None, None, "not known")],
)  # fmt: skip
def test_a_ratio_of_what_never_came_is_a_bound(tmp_path, peer, believer, expected):
    """Where a median is "never" the ratio is a bound; where both are, nothing is known."""
    done = [
        outcome(method, seed, 0.3, after=after)
        for seed in range(4)
        for method, after in (("ppo", 5), ("tpe", peer), ("with-prior", believer))
    ]
    text = report(kept(tmp_path / "a.jsonl", done))
    row = next(line for line in text.splitlines() if line.startswith("| all "))

    assert expected in row


def test_a_recording_of_mostly_noise_is_counted_apart(tmp_path):
    """Its cells are shown and counted; the count without them stands beside."""
    noisy = [replace(one, fidelity=0.3) for one in made_up(surface="noisy")]
    text = report(kept(tmp_path / "a.jsonl", [*made_up(), *noisy]))

    assert "at least as good in 4 of 4 cells" in text
    assert "ranks under 0.5: 2 better, 0 within, 0 worse" in text


def test_a_report_of_nothing_says_so(tmp_path):
    """A file in which no seed is complete has no tables."""
    assert "no seed" in report(kept(tmp_path / "a.jsonl", []))


def test_a_method_that_is_not_built_is_named():
    """An ablation whose switch does not exist, or a peer without its package, is a sentence."""
    built = {field.name for field in fields(PolicyOptions)}
    for name, switches in methods.SWITCHES.items():
        assert (methods.missing(name) is None) == (set(switches) <= built)
    assert methods.runnable(("random", "tpe")) == (("random", "tpe"), ())


def test_an_unknown_method_is_refused():
    """The error names the methods there are."""
    with pytest.raises(ConfigError, match="methods: 'annealing' is none of ppo"):
        methods.runnable(("annealing",))


def test_a_right_prior_is_right_and_a_wrong_one_wrong():
    """Over ten surfaces: one starts better and its focus nearly always holds the optimum."""
    held, better, wide = [], [], []
    for seed in range(1000, 1010):
        ground = family("twelve-sparse", seed)
        right, wrong = right_prior(ground, seed), wrong_prior(ground, seed)
        box = FocusBox(ground.space, right.focus, right.start)
        best = ground.space.encode(ground.optimum)
        held += [
            box.low[at] <= best[at] <= box.high[at]
            for at, name in enumerate(ground.space.names)
            if name in right.focus
        ]
        wide += [box.high[ground.space.names.index(name)] - box.low[ground.space.names.index(name)]
                 for name in right.focus]  # fmt: skip
        better.append(ground.gain(right.start) - ground.gain(wrong.start))
        assert set(right.focus) == set(wrong.focus) == set(ground.matters)
        assert ground.gain(wrong.start) < 0

    assert np.mean(held) > 0.8
    assert wide == pytest.approx([1 / 3] * len(wide), abs=0.03)
    assert min(better) > 0


def test_a_prior_never_starts_at_a_crash():
    """Both beliefs begin at a setting that works."""
    for seed in range(1000, 1006):
        ground = family("four-cliff", seed)
        starts = [right_prior(ground, seed).start, wrong_prior(ground, seed).start]
        assert all(ground.gain({**ground.space.start, **one}) > -math.inf for one in starts)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording made up from a simulated machine."""
    header = import_module("sealtune.survey.lines")
    recording = import_module("sealtune.survey.recording")
    design = import_module("sealtune.survey.design")
    store = import_module("sealtune.store")
    simulated = import_module("sealtune.tactician.simulated")
    space = Space([IntKnob("a", 0, 100, start=50), IntKnob("b", 0, 100, start=50)])
    machine = simulated.SimulatedMachine(space, seed=7)
    path = tmp_path_factory.mktemp("surfaces") / "made-up.jsonl"
    first = header.Header(
        simulated=True, workload="made up", benchmark="true", metric="operations", unit="1/s",
        direction="maximize", run_seconds=1.0, originals={"a": "50", "b": "50"}, facts={},
        knobs=tuple(header.RecordedRange(name=n, low=0, high=100, start=50) for n in "ab"),
        design=header.RecordedDesign(points=40, repeated=0.3, repeats=3, seed=1),
        date="2026-01-01T00:00:00Z", began=0.0,
    )  # fmt: skip
    plan = design.Design(points=40, repeated=0.3, repeats=3, seed=1)
    with recording.RecordingFile(path, first) as file:
        for number, setting in enumerate(plan.visits(space)):
            if number % 6 == 0:
                row = store.TrialRow.of("sentinel", number, {}, machine.measure({}))
                file.add_trial("", row)
            row = store.TrialRow.of("search", number, setting, machine.measure(setting))
            file.add_trial("", row)
        file.add_trial("", store.TrialRow.of("sentinel", 999, {}, machine.measure({})))
    return path


def test_a_recording_is_a_ground(recorded):
    """Its truth is the held-out model: start 1, optimum 0, nothing below; answers repeat."""
    ground = grounds.replayed("made-up", load_surface(recorded), 1000)
    benches = [ground.benchmark(), ground.benchmark()]
    some = [ground.space.decode(row) for row in np.random.default_rng(0).random((200, 2))]

    assert 1.0 == ground.regret(ground.space.start)
    assert 0.0 == ground.regret(ground.optimum)
    assert min(ground.regret(one) for one in some) > -0.02
    assert benches[0](some[0]) == benches[1](some[0])
    assert -1.0 <= ground.fidelity <= 1.0


def test_missing_recordings_are_known(tmp_path, recorded):
    """A config without its recording is missing; one with it is not."""
    for name in ("here", "there"):
        (tmp_path / f"{name}.json").write_text("{}")
    (tmp_path / "here.jsonl").write_bytes(recorded.read_bytes())

    assert ("there",) == grounds.missing_recordings(tmp_path)
    assert ["here"] == list(grounds.recordings(tmp_path))


def test_a_surface_without_gain_is_left_out(monkeypatch):
    """Where nothing can be gained, regret means nothing: the sentence says so."""
    flat = replace(family("four-cliff", 1000), gain=lambda setting: 0.0)
    monkeypatch.setattr(grounds, "ground", lambda name, seed: flat)

    assert "left out" in grounds.worthless("flat", 0)


@pytest.mark.slow
def test_the_command_resumes_and_prints(tmp_path):
    """Run twice, it runs nothing; --table prints the same; a typo ends with 12."""

    def command(*options):
        line = [sys.executable, "-m", "bench.search_quality", *options]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    path = str(tmp_path / "out.jsonl")
    wanted = ("--methods", "random,tpe", "--surfaces", "four-cliff", "--seeds", "2", "--first",
              "1000", "--trials", "5,10", "--out", path)  # fmt: skip
    first, second = command(*wanted), command(*wanted)

    assert 0 == first.returncode, first.stderr
    assert "4 searches, 0 of them" in first.stderr
    assert "4 searches, 4 of them" in second.stderr
    assert first.stdout == second.stdout == command("--table", path).stdout
    assert "Regret after 10 trials" in first.stdout
    wrong = command("--methods", "annealing", "--out", path)
    assert 12 == wrong.returncode
    assert "annealing" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("send", "sent"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)], ids=["all", "one"]
)
def test_being_stopped_keeps_what_is_finished(tmp_path, send, sent):
    """
    Ctrl-C to the group, as a terminal sends it, or SIGTERM to the process alone: 130 within
    seconds, every line is whole, and no process goes on.
    """
    path = tmp_path / "out.jsonl"
    line = [sys.executable, "-m", "bench.search_quality", "--methods", "random", "--seeds", "500",
            "--first", "1000", "--surfaces", "four-cliff", "--out", str(path)]  # fmt: skip
    process = subprocess.Popen(
        line, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A test run that is itself in the background has Ctrl-C switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if path.exists() and path.read_text().count("\n") > 3:
                break
            time.sleep(0.1)
        send(process.pid, sent)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()

    assert 130 == process.returncode, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert len(Results.load(path).outcomes) >= 3
    deadline = time.monotonic() + 10
    while left := [one for one in psutil.process_iter() if _in_group(one, process.pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _in_group(process, group):
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
