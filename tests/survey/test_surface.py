"""A recording read again: ratios against the baseline of their time, noise, the best point."""

import json
import math

import pytest

from sealtune.errors import ConfigError
from sealtune.survey.surface import load_surface

HEADER = {
    "format": "sealtune-surface",
    "version": 1,
    "simulated": True,
    "workload": "by hand",
    "benchmark": "true",
    "metric": "speed",
    "unit": "1/s",
    "direction": "maximize",
    "run_seconds": 1.0,
    "knobs": [
        {"kind": "int", "name": "a", "low": 0, "high": 10, "start": 5},
        {"kind": "choice", "name": "c", "choices": ["x", "y"], "start": "x"},
    ],
    "originals": {"a": "5", "c": "x"},
    "design": {"points": 2, "repeated": 0.5, "repeats": 2, "seed": 0},
    "facts": {},
    "date": "2026-01-01T00:00:00Z",
    "began": 0.0,
}
A, B = {"a": 1, "c": "x"}, {"a": 2, "c": "y"}


@pytest.fixture
def by_hand(tmp_path):
    """Write a recording of (setting, value) or (setting, value, stretch)."""

    def write(*runs, **header):
        lines = [json.dumps({**HEADER, **header})]
        for n, (setting, value, *stretch) in enumerate(runs):
            line = {"n": n, "stretch": stretch[0] if stretch else 0, "setting": setting}
            line |= {"failure": "no"} if value is None else {"value": value}
            lines.append(json.dumps(line))
        path = tmp_path / "surface.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_a_run_is_compared_with_the_baseline_of_its_time(by_hand):
    """Between baselines of 100 and 400 the middle is 200, on the logarithmic scale."""
    surface = load_surface(by_hand(({}, 100.0), (A, 300.0), ({}, 400.0)))

    assert surface.points[0].ratios == pytest.approx((1.5,))


def test_another_sitting_does_not_count(by_hand):
    """After an interruption the machine may be another one: its baselines say nothing here."""
    surface = load_surface(by_hand(({}, 100.0), (A, 200.0), ({}, 500.0, 1), (B, 1500.0, 1)))

    assert [point.ratio for point in surface.points] == pytest.approx([2.0, 3.0])


def test_lower_is_better_is_inverted(by_hand):
    """Half of the latency is twice as good."""
    surface = load_surface(by_hand(({}, 10.0), (A, 5.0), direction="minimize"))

    assert surface.points[0].ratio == pytest.approx(2.0)


def test_failures_are_counted_and_compared_with_nothing(by_hand):
    """A setting that the kernel refused has no ratio, and is not the best."""
    surface = load_surface(by_hand(({}, 10.0), (A, None), (B, 9.0), (A, None)))

    assert (surface.points[0].ratio, surface.points[0].failures) == (None, 2)
    assert surface.best.setting == B


def test_the_best_is_the_best_of_the_repeated(by_hand):
    """One lucky run does not beat a point that was good twice."""
    surface = load_surface(
        by_hand(({}, 10.0), (A, 90.0), (B, 20.0), (B, 20.0), ({}, 10.0)),
    )

    assert surface.best.setting == B
    assert surface.best.ratio == pytest.approx(2.0)


def test_noise_is_that_of_the_repeats(by_hand):
    """Two runs e^+s and e^-s around their mean: each one varies by s * sqrt 2."""
    surface = load_surface(
        by_hand(({}, 1.0), (A, math.exp(0.1)), (A, math.exp(-0.1)), ({}, 1.0)),
    )

    assert surface.residuals == pytest.approx((0.1 * math.sqrt(2), -0.1 * math.sqrt(2)))
    assert surface.noise == pytest.approx(0.1 * math.sqrt(2))


def test_originals_are_values_of_the_space(by_hand):
    """What was found is a setting like any other, numbers as numbers."""
    surface = load_surface(by_hand(({}, 1.0), (A, 2.0)))

    assert surface.originals == {"a": 5, "c": "x"}


def test_a_recording_reads_as_it_was_measured(recorded):
    """A ratio is the value over its two baselines, interpolated; the noise is the machine's."""
    surface = load_surface(recorded)
    place = next(run.n for run in surface.runs if run.setting and run.value is not None)
    baselines = [run for run in surface.runs if not run.setting and run.value is not None]
    before = max((run for run in baselines if run.n < place), key=lambda run: run.n)
    after = min((run for run in baselines if run.n > place), key=lambda run: run.n)
    share = (place - before.n) / (after.n - before.n)
    expected = before.value ** (1 - share) * after.value**share

    assert surface.relatives[place] == pytest.approx(surface.runs[place].value / expected)
    assert len(surface.points) == 60
    assert sum(len(point.ratios) + point.failures == 3 for point in surface.points) == 18
    assert 0.03 < surface.noise < 0.15  # 4 % a run, outliers, and the baseline's own noise


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([({}, 1.0), ({"a": 11, "c": "x"}, 1.0)], "line 3"),
        ([({}, 1.0), ({"a": 1}, 1.0)], "line 3"),
        ([({}, 1.0), ({"a": 1, "c": "z"}, 1.0)], "line 3"),
        ([({}, 1.0), ({"a": "1", "c": "x"}, 1.0)], "line 3"),
        ([(A, 1.0)], "no good run"),
        ([({}, None), (A, None)], "no good run"),
        ([], "no good run"),
    ],
)
def test_what_cannot_be_compared_is_refused(by_hand, runs, said):
    """A setting of another space is named by its line; a recording without a ratio is none."""
    with pytest.raises(ConfigError, match=said):
        load_surface(by_hand(*runs))


@pytest.mark.parametrize(
    "wrong",
    [
        {"knobs": []},
        {"originals": {"a": "5"}},
        {"direction": "sideways"},
        {"surprise": 1},
        {"knobs": [{"kind": "int", "name": "a", "low": 9, "high": 1, "start": 5}]},
    ],
)
def test_a_header_that_is_wrong_is_named(by_hand, wrong):
    """Whatever is wrong in the header is an error about line 1."""
    with pytest.raises(ConfigError, match="line 1"):
        load_surface(by_hand(({}, 1.0), (A, 1.0), **wrong))
