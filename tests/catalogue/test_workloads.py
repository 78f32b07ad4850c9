"""workloads.toml: complete, consistent with the catalogue, refused by name where it is not."""

import re

import pytest

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.workloads import (
    Adjustment,
    ExpertKnob,
    load_workloads,
    parse_workloads,
)
from sealtune.errors import ConfigError

NAMES = {
    "oltp_database", "olap_analytics", "web_server", "memory_cache", "file_server",
    "cpu_batch", "bulk_transfer", "low_latency", "log_streaming", "mixed_host",
}  # fmt: skip


def test_there_are_exactly_the_ten_classes():
    """The classes are the ten of the architecture."""
    assert NAMES == {workload.name for workload in load_workloads().classes}


@pytest.mark.parametrize("workload", load_workloads().classes, ids=lambda w: w.name)
def test_a_class_is_complete(workload):
    """Each has parameters with reasons, a reserve and a package-free benchmark."""
    assert workload.title
    assert workload.description
    assert 5 <= len(workload.parameters) <= 8
    assert all(expert.why for expert in workload.parameters)
    assert len(workload.parameters) + len(workload.reserve) >= 12
    assert "sqlite" == workload.benchmarks[-1].tool
    assert any(b.metric == workload.reward_metric and not b.when for b in workload.benchmarks)


def test_halt_polling_starts_where_the_kernel_documentation_does():
    """Wherever an expert starts halt polling, it is at the documented default of 200 us."""
    starts = [
        expert.start
        for workload in load_workloads().classes
        for expert in workload.parameters
        if expert.knob == "haltpoll/guest_halt_poll_ns"
    ]

    assert starts
    assert {200_000} == set(starts)


def test_every_preferred_parameter_is_in_the_catalogue():
    """Traits only prefer parameters that exist, and their patterns compile."""
    for trait in load_workloads().traits:
        assert all(load_catalogue().get(name) for name in trait.prefer)
        assert all(re.compile(pattern) for pattern in trait.patterns)


GOOD = """
[[workload]]
name = "a"
title = "t"
description = "d"
ask = "s"
clients_per_cpu = 1
reward_metric = "m"
state = []
guards = []
products = []
signs = []
hints = []
benchmarks = [{ tool = "sqlite", command = "c", metric = "m" }]
parameters = [{ knob = "vm.swappiness", low = 1, high = 60, start = 10 }]
reserve = []
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('title = "t"', "", "title is missing"),
        ('title = "t"', 'title = "t"\nfnord = 1', "fnord is unknown"),
        ("vm.swappiness", "vm.nothing", "vm.nothing is not in the catalogue"),
        ("high = 60", "high = 600", "safe is 1..150"),
        ("start = 10", "start = 90", "from 90"),
        ("start = 10", 'start = 10, confidence = "sure"', "confidence"),
        ('metric = "m" }', 'metric = "m", when = ["odd"] }', "odd"),
        ('name = "a"', "name = ", "no valid TOML"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(old, new, told):
    """A mistake in the file is refused with entry and field; the same file without it loads."""
    assert "a" == parse_workloads(GOOD).classes[0].name
    with pytest.raises(ConfigError, match=told):
        parse_workloads(GOOD.replace(old, new, 1))


def test_unknown_names_list_what_there_is():
    """Asking for an unknown class or trait names all that exist."""
    with pytest.raises(ConfigError, match=r"allowed: .*memory_cache"):
        load_workloads().get("fnord")
    with pytest.raises(ConfigError, match=r"allowed: .*single_client"):
        load_workloads().trait("fnord")


def test_the_gazetteer_is_large_and_settles_the_matter():
    """At least 300 names, at least 50 a class, and none that speaks for two classes."""
    names = [name for workload in load_workloads().classes for name in workload.products]

    assert len(names) >= 300
    assert all(len(workload.products) >= 50 for workload in load_workloads().classes)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("workload", load_workloads().classes, ids=lambda w: w.name)
def test_a_name_of_the_gazetteer_can_be_found_in_a_description(workload):
    """Every name is written as descriptions are compared: lower case, single spaces."""
    for name in workload.products:
        assert re.fullmatch(r"[a-z0-9]+\+*( [a-z0-9]+\+*)*", name), name


@pytest.mark.parametrize("trait", load_workloads().traits, ids=lambda t: t.name)
def test_every_trait_changes_parameters_with_a_reason(trait):
    """A trait moves parameters to the front and changes ranges or starts, each with a reason."""
    assert trait.prefer
    assert trait.adjust
    for change in trait.adjust:
        assert change.why.endswith(".")
        assert not (change.low is change.high is change.start is None)
        assert any(change.holds_for(workload) for workload in load_workloads().classes)


def test_a_change_is_laid_over_what_the_class_says():
    """What a trait does not mention stays as the class has it."""
    known = ExpertKnob("vm.swappiness", low=1, high=60, start=10, confidence="high", why="Old.")
    change = Adjustment("vm.swappiness", "New.", start=5)

    assert ExpertKnob("vm.swappiness", 1, 60, 5, "high", "New.") == change.over(known)
    assert ExpertKnob("vm.swappiness", start=5, why="New.") == change.over(None)


TRAIT = """
[[trait]]
name = "b"
title = "t"
patterns = ["x"]
why = "w"
adjust = [{ knob = "vm.swappiness", low = 5, start = 20, why = "Because." }]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("start = 20", "start = 70", "b of a.*from 70"),
        ("low = 5", "low = 61", "b of a"),
        ("vm.swappiness", "vm.nothing", "vm.nothing is not in the catalogue"),
        (', why = "Because."', "", "why is missing"),
        ("low = 5", "fnord = 5", "fnord is unknown"),
        ("low = 5", 'low = 5, classes = ["odd"]', "odd"),
        ('patterns = ["x"]', 'patterns = ["("]', "pattern"),
        ('why = "w"', 'why = "w"\navoid = ["vm.nothing"]', "vm.nothing is not in the catalogue"),
    ],
)
def test_a_wrong_trait_is_refused_by_name(old, new, told):
    """A change that leaves the safe range on top of a class is refused, with both named."""
    assert 20 == parse_workloads(GOOD + TRAIT).traits[0].adjust[0].start
    with pytest.raises(ConfigError, match=told):
        parse_workloads(GOOD + TRAIT.replace(old, new, 1))
