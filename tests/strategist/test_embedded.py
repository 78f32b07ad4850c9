"""The strategist that always works: one answer to every workload, several for a comparison."""

import time
from dataclasses import replace

import pytest

from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import ConfigError, InputError, KnobError, UnclearWorkloadError
from sealtune.machine import Service
from sealtune.space.available import Availability
from sealtune.space.build import build_space
from sealtune.space.config import load_config
from sealtune.strategist.embedded import EMBEDDED, devise
from sealtune.strategist.reading import Reading
from sealtune.strategist.suggestion import compose
from sealtune.strategist.task import Task

TOOLS = ("pgbench", "sysbench", "redis", "ab", "sqlite")
CLASSES = load_workloads().classes
UNCLEAR = "make this server faster"
NGINX = Service("nginx", "running", "web_server", "process nginx")
POSTGRES = Service("PostgreSQL", "running", "oltp_database", "process postgres")
BOTH = (NGINX, POSTGRES)
NONSENSE = "purple monkey dishwasher"
VARIANTS = range(1, 7)


def task(text, facts, availability, **options):
    return Task(text, facts, availability, installed=TOOLS, **options)


def tried(strategy):
    """What makes two strategies different: parameters, ranges and starts."""
    return {
        item.param: (item.min, item.max, item.choices, item.start)
        for item in strategy.config.action_space
    }


@pytest.mark.parametrize("workload", CLASSES, ids=lambda w: w.name)
def test_every_class_gets_a_strategy(workload, facts, availability):
    """Each class is understood, answered by the embedded strategist, and can be searched."""
    strategy = devise(task(workload.ask, facts, availability))
    again = load_config(strategy.config.to_json())

    assert workload.name == strategy.config.workload_class
    assert workload.name == strategy.reading.workload_class
    assert EMBEDDED == again.strategist
    assert 6 <= len(build_space(again, availability).space) <= 8


def test_it_answers_quickly(facts, availability):
    """After the first answer, which loads the word tables, one takes less than 0.3 s."""
    devise(task("redis cache", facts, availability))
    start = time.process_time()
    devise(task("a write-heavy PostgreSQL database", facts, availability))

    assert time.process_time() - start < 0.3


def test_an_unclear_description_is_asked_back(facts, availability):
    """With somebody to ask, the nearest readings are shown and the answer is followed."""
    shown = []

    def ask(nearest):
        shown.extend(nearest)
        return nearest[1]

    strategy = devise(task(UNCLEAR, facts, availability), services=BOTH, ask=ask)

    assert {"web_server", "oltp_database"} == {reading.workload_class for reading in shown[:2]}
    assert len(shown) <= 3
    assert shown[1].workload_class == strategy.config.workload_class
    assert shown[1] == strategy.reading
    assert () == strategy.notices


def test_nobody_means_none_of_the_readings(facts, availability):
    """If none of the readings is meant, the question stands in the error."""
    with pytest.raises(UnclearWorkloadError, match="say for example"):
        devise(task(UNCLEAR, facts, availability), services=BOTH, ask=lambda nearest: None)


def test_a_clear_description_asks_nobody(facts, availability):
    """What is clear is not asked."""

    def ask(nearest):
        raise AssertionError("asked")

    assert devise(task("a Redis cache", facts, availability), ask=ask)


def test_an_unclear_description_is_mixed_when_nobody_can_be_asked(facts, availability):
    """Parameters of both classes are tried under the benchmark of the first, and it is said."""
    strategy = devise(task(UNCLEAR, facts, availability), services=BOTH)
    config = strategy.config
    first, second = (load_workloads().get(s.workload_class) for s in (NGINX, POSTGRES))
    web, database = ({expert.knob for expert in w.parameters} for w in (first, second))
    names = {item.param.replace("/sda/", "/{dev}/") for item in config.action_space}
    alone = devise(task(load_workloads().get(config.workload_class).ask, facts, availability))

    assert 6 <= len(names) <= 8
    assert names & (web - database)
    assert names & (database - web)
    assert alone.config.reward_metric == config.reward_metric
    assert first.title in strategy.notices[0]
    assert second.title in strategy.notices[0]
    assert build_space(config, availability)


def test_a_mixture_begins_with_what_is_believed_in_most(facts, availability):
    """The parameters of a mixture stand in order of confidence, whichever class they are of."""
    mixed = Reading("oltp_database", (), 0.4, (), (), mixed=("file_server", "olap_analytics"))
    config = compose(task(UNCLEAR, facts, availability), mixed)
    ranks = [("high", "medium", "low").index(item.confidence) for item in config.action_space]

    assert 0 == ranks[0]
    assert sorted(ranks) == ranks


def test_a_mixture_covers_both_ranges(facts, availability):
    """Where two classes disagree about a parameter, the range covers what either would try."""
    mixed = Reading("oltp_database", (), 0.4, (), (), mixed=("file_server",))
    config = compose(task(UNCLEAR, facts, availability), mixed)
    ranges = {item.param: (item.min, item.max) for item in config.action_space}
    listed = [
        {e.knob: e for e in load_workloads().get(name).parameters}["vm.dirty_ratio"]
        for name in ("oltp_database", "file_server")
    ]

    assert ranges["vm.dirty_ratio"] == (
        min(expert.low for expert in listed),
        max(expert.high for expert in listed),
    )


@pytest.mark.parametrize("ask", [None, lambda nearest: nearest[0]])
@pytest.mark.parametrize("text", [NONSENSE, ""])
def test_what_is_no_workload_is_refused(text, ask, facts, availability):
    """Text that means nothing is neither mixed nor offered for choice."""
    with pytest.raises(UnclearWorkloadError):
        devise(task(text, facts, availability), ask=ask)


@pytest.mark.parametrize("service", BOTH, ids=lambda s: s.name)
def test_a_running_server_settles_what_the_text_leaves_open(service, facts, availability):
    """A text that says nothing is read by the server that runs here."""
    strategy = devise(task(UNCLEAR, facts, availability), services=(service,))

    assert service.workload_class == strategy.config.workload_class
    assert () == strategy.notices


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("workload", CLASSES, ids=lambda w: w.name)
def test_variants_differ_and_can_be_compared(workload, variant, facts, availability):
    """A variant tries something else, is measured alike, builds, and says what differs."""
    question = task(workload.ask, facts, availability, seed=5)
    first, other = devise(question), devise(question, variant=variant)
    same = ("workload_name", "workload_class", "benchmark_command", "reward_metric", "guards")

    assert tried(first) != tried(other)
    assert len(first.config.action_space) == len(other.config.action_space)
    assert all(getattr(first.config, name) == getattr(other.config, name) for name in same)
    assert any(notice.startswith("Strategy ") for notice in other.config.notices)
    assert load_config(other.config.to_json()).action_space == other.config.action_space
    assert build_space(other.config, availability)


def test_variants_differ_from_each_other_and_repeat(facts, availability):
    """Seven strategies are seven, and the same seed gives the same seven."""
    question = task("a Redis cache", facts, availability, seed=5)
    several = [tried(devise(question, variant=variant)) for variant in (0, *VARIANTS)]
    again = [tried(devise(question, variant=variant)) for variant in (0, *VARIANTS)]

    later = tried(devise(replace(question, seed=6), variant=3))

    assert several == again
    assert later != several[3]
    assert all(several.count(one) == 1 for one in several)


def test_the_first_variant_brings_new_parameters_over_wider_ranges(facts, availability):
    """It keeps the two most promising and adds what the first strategy left out."""
    question = task("a write-heavy PostgreSQL database", facts, availability)
    first, other = tried(devise(question)), tried(devise(question, variant=1))
    offered = {item.knob.name: item for item in availability.offered}

    assert list(first)[:2] == list(other)[:2]
    assert set(other) - set(first)
    for name, (low, high, choices, _) in other.items():
        if choices is None:
            assert (offered[name].low, offered[name].high) == (low, high)


def test_the_second_variant_starts_elsewhere(facts, availability):
    """It has the same parameters, and each starts at another value."""
    question = task("a Redis cache", facts, availability)
    first, other = tried(devise(question)), tried(devise(question, variant=2))

    assert list(first) == list(other)
    assert all(first[name][3] != other[name][3] for name in first)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_keep_what_the_person_insists_on(variant, facts, availability):
    """`only` and `exclude` hold in every variant."""
    only = ("vm.swappiness", "vm.dirty_ratio")
    kept = devise(task("redis", facts, availability, only=only), variant=variant)
    gone = devise(task("redis", facts, availability, exclude=only), variant=variant)

    assert set(only) == set(tried(kept))
    assert tried(kept) != tried(devise(task("redis", facts, availability, only=only)))
    assert not set(only) & set(tried(gone))


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_a_prior_variants_have_no_opinion_either(variant, facts, availability):
    """Under `no_prior` another strategy has other parameters, whole ranges and present starts."""
    config = devise(task("redis", facts, availability, no_prior=True), variant=variant).config
    offered = {item.knob.name: item for item in availability.offered}

    for item in config.action_space:
        assert str(item.start) == offered[item.param].present
        assert item.choices or (item.min, item.max) == (
            offered[item.param].low,
            offered[item.param].high,
        )


@pytest.mark.parametrize("variant", [0, *VARIANTS])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_machine_with_few_parameters_gets_a_strategy_all_the_same(
    count, variant, facts, availability
):
    """Whatever little can be tuned is tuned, in every variant."""
    few = Availability(tuple(availability.offered[:count]), ())

    assert 1 <= len(tried(devise(task("a PostgreSQL database", facts, few), variant=variant)))


def test_wrong_wishes_are_refused(facts, availability):
    """Unknown parameters and benchmarks, and nothing to tune, are errors of their kind."""
    with pytest.raises(KnobError):
        devise(task("redis", facts, availability, only=("vm.swapiness",)))
    with pytest.raises(ConfigError):
        devise(task("redis", facts, availability, benchmark="fnord"))
    with pytest.raises(InputError):
        devise(task("redis", facts, Availability((), ())))
