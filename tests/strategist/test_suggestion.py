"""From a sentence to a config: parameters, ranges, benchmark and what is said about them."""

import pytest

from sealtune.benchmarks import create_adapter, parse_command
from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import BenchmarkMissingError, ConfigError, InputError, KnobError
from sealtune.space.available import Availability, LeftOut
from sealtune.space.build import build_space
from sealtune.space.config import load_config
from sealtune.strategist import load_choice, suggest
from sealtune.strategist.load_choice import choose_load
from sealtune.strategist.reading import Reading
from sealtune.strategist.suggestion import compose
from sealtune.strategist.task import Task

TOOLS = ("pgbench", "sysbench", "redis", "ab", "sqlite")
CLASSES = load_workloads().classes
TRAITS = [trait.name for trait in load_workloads().traits]


def names(config):
    return [item.param for item in config.action_space]


def reading(name, *traits):
    return Reading(name, traits, 1.0, (), ())


@pytest.mark.parametrize("no_prior", [False, True])
@pytest.mark.parametrize("workload", CLASSES, ids=lambda w: w.name)
def test_every_class_gives_a_config_that_loads_and_builds(workload, no_prior, facts, availability):
    """Each class yields six to eight parameters with reasons, and survives its own JSON."""
    config = suggest(workload.ask, facts, availability, installed=TOOLS, no_prior=no_prior)
    again = load_config(config.to_json())
    built = build_space(again, availability, no_prior=no_prior)

    assert workload.name == config.workload_class
    assert 6 <= len(built.space) <= 8
    assert all(item.why for item in built.plan)
    assert config.action_space == again.action_space


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("workload", CLASSES, ids=lambda w: w.name)
def test_every_command_is_known_and_reports_its_metric(workload, tool, monkeypatch):
    """Whatever is installed, the command parses, needs no approval and reports the metric."""
    monkeypatch.setattr(load_choice, "_line", lambda tool: "")  # asks the tools: slow
    for traits in ([], *[[name] for name in TRAITS]):
        load = choose_load(workload, traits, 2, (tool, "sqlite"))
        spec = parse_command(load.command)

        assert spec.name in {tool, "sqlite"}
        assert spec.approval is None
        assert load.metric in create_adapter(spec).metrics


def test_one_client_becomes_one_client_of_the_benchmark(facts, availability):
    """One client at a time ends as one client, and many clients as many."""
    one = suggest(
        "low latency redis cache, one client at a time", facts, availability, installed=TOOLS
    )
    many = suggest("redis with thousands of clients", facts, availability, installed=TOOLS)

    assert "redis-benchmark -t get -c 1" == one.benchmark_command
    assert parse_command(many.benchmark_command).options["clients"] >= 40


def test_without_a_prior_ranges_are_whole_and_start_as_found(facts, availability):
    """`no_prior` keeps the parameters, but searches whole safe ranges from present values."""
    config = suggest("redis", facts, availability, installed=TOOLS, no_prior=True)
    offered = {item.knob.name: item for item in availability.offered}

    assert len(config.action_space) >= 6
    for item in config.action_space:
        here = offered[item.param]
        assert str(item.start) == here.present
        if here.knob.kind == "int":
            assert (item.min, item.max) == (here.low, here.high)
        else:
            assert item.choices == here.choices


def test_a_missing_benchmark_is_replaced_and_said_so(facts, availability):
    """Without PostgreSQL, SQLite is named a stand-in, and both install lines are told."""
    config = suggest("PostgreSQL OLTP", facts, availability, installed=["sqlite"])
    told = " ".join(config.notices)

    assert "sqlite" == parse_command(config.benchmark_command).name
    assert "stand-in" in told
    assert "apt-get install" in told
    assert "dnf install" in told


def test_a_benchmark_that_is_insisted_on_must_be_there(facts, availability):
    """An absent benchmark gives the install line; an unknown one gives the list."""
    with pytest.raises(BenchmarkMissingError, match="apt-get install"):
        suggest("redis", facts, availability, installed=["sqlite"], benchmark="pgbench")
    with pytest.raises(ConfigError, match=r"allowed: pgbench, sysbench, redis, ab, sqlite"):
        suggest("redis", facts, availability, installed=TOOLS, benchmark="fnord")


def test_a_benchmark_without_a_command_of_its_own_needs_the_whole_one(
    facts, availability, monkeypatch
):
    """A benchmark that no class names is not guessed at: its whole command is asked for."""
    monkeypatch.setattr(load_choice, "adapter_names", lambda: ("fnord", "custom"))
    with pytest.raises(ConfigError, match="fnord has no command of its own here"):
        suggest("redis", facts, availability, installed=["fnord"], benchmark="fnord")


def test_only_may_add_what_the_class_does_not_list(facts, availability):
    """`only` gives exactly these parameters, by any spelling, listed by the class or not."""
    config = suggest(
        "redis", facts, availability, installed=TOOLS, only=["read_ahead_kb", "vm.swappiness"]
    )

    assert ["block/sda/read_ahead_kb", "vm.swappiness"] == names(config)


def test_excluded_parameters_are_replaced_from_the_reserve(facts, availability):
    """Excluding one leaves at least six and never the excluded one; excluding all is an error."""
    first = names(suggest("redis", facts, availability, installed=TOOLS))
    config = suggest("redis", facts, availability, installed=TOOLS, exclude=first[:3])
    everything = [item.knob.name for item in availability.offered]

    assert len(names(config)) >= 6
    assert not set(first[:3]) & set(names(config))
    with pytest.raises(InputError, match="excluded"):
        suggest("redis", facts, availability, installed=TOOLS, exclude=everything)


@pytest.mark.parametrize("option", ["only", "exclude"])
def test_unknown_and_forbidden_names_are_refused(option, facts, availability):
    """Neither option takes a parameter that is unknown or never tuned."""
    for name in ("vm.swapiness", "kernel.randomize_va_space"):
        with pytest.raises(KnobError, match=name):
            suggest("redis", facts, availability, installed=TOOLS, **{option: [name]})


def test_what_this_machine_lacks_is_filled_up_and_told(facts, availability):
    """Parameters that are missing here are named with the reason, and the reserve fills in."""
    gone = ("haltpoll/", "net.core.busy", "transparent_hugepage/")
    offered = [item for item in availability.offered if not item.knob.name.startswith(gone)]
    lost = [item for item in availability.offered if item.knob.name.startswith(gone)]
    here = Availability(
        tuple(offered), tuple(LeftOut(item.knob.name, "Not on this kernel.") for item in lost)
    )
    config = suggest("redis", facts, here, installed=TOOLS)

    assert len(names(config)) >= 6
    assert not any(name.startswith(gone) for name in names(config))
    assert any("Not on this kernel." in notice for notice in config.notices)


def test_limits_and_seed_reach_the_config(facts, availability):
    """Minutes, trials and seed stand in the config, and the policy can still be updated."""
    config = suggest("redis", facts, availability, installed=TOOLS, minutes=6, trials=10, seed=7)

    assert (6, 10) == (config.budget.minutes, config.budget.trials)
    assert 7 == config.training_config.seed
    assert config.training_config.n_steps <= 5


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_an_update_is_of_two_trials_or_more(trials, facts, availability):
    """However few trials are allowed, the policy accepts the number of them for an update."""
    config = suggest("redis", facts, availability, installed=TOOLS, trials=trials)

    assert 2 == config.training_config.n_steps


@pytest.mark.parametrize("trait", TRAITS)
def test_every_trait_changes_ranges_or_starts_and_says_why(trait, facts, availability):
    """Some class differs in a range or start under the trait, and each change has its reason."""
    task = Task("a sentence", facts, availability, installed=TOOLS)
    rule = load_workloads().trait(trait)
    changed = []
    for workload in CLASSES:
        plain = compose(task, reading(workload.name))
        under = compose(task, reading(workload.name, trait))
        before = {item.param: (item.min, item.max, item.start) for item in plain.action_space}
        told = next(text for text in under.notices if text.startswith(rule.title))
        for item in under.action_space:
            if before.get(item.param, item) != (item.min, item.max, item.start):
                changed.append(item.param)
                set_for_it = any(item.why == change.why for change in rule.adjust)
                assert set_for_it == (item.param in told)
                assert set_for_it or item.param not in before
        assert 6 <= len(under.action_space) <= 8

    assert changed


@pytest.mark.parametrize(
    ("trait", "workload", "first", "last"),
    [
        ("write_heavy", "oltp_database", "vm.dirty_background_ratio", None),
        ("read_only", "oltp_database", "block/sda/read_ahead_kb", "vm.dirty_ratio"),
        ("many_connections", "memory_cache", "net.core.somaxconn", None),
        ("single_client", "web_server", "haltpoll/guest_halt_poll_ns", "net.core.somaxconn"),
        ("large_files", "file_server", "block/sda/read_ahead_kb", None),
        ("small_files", "file_server", "vm.vfs_cache_pressure", None),
        ("long_distance", "web_server", "net.ipv4.tcp_congestion_control", None),
        ("memory_tight", "mixed_host", "vm.swappiness", None),
        ("latency_over_throughput", "oltp_database", "haltpoll/guest_halt_poll_ns", None),
    ],
)
def test_a_trait_orders_the_parameters(trait, workload, first, last, facts, availability):
    """What a trait is about comes first, also where the class does not list it; the rest goes."""
    task = Task("a sentence", facts, availability, installed=TOOLS)
    config = compose(task, reading(workload, trait))

    assert first == names(config)[0]
    assert last not in names(config)


def test_a_trait_brings_parameters_that_the_class_does_not_list(facts, availability):
    """What only a trait names is in the plan, with the trait's reason."""
    task = Task("a sentence", facts, availability, installed=TOOLS)
    config = compose(task, reading("file_server", "long_distance"))
    brought = {item.param: item for item in config.action_space}[
        "net.ipv4.tcp_slow_start_after_idle"
    ]

    assert 0 == brought.start
    assert "long path" in brought.why


def test_of_two_traits_the_first_decides_about_a_parameter(facts, availability):
    """Traits that want different ranges of one parameter do not mix them."""
    task = Task("a sentence", facts, availability, installed=TOOLS)
    alone = compose(task, reading("oltp_database", "write_heavy"))
    both = compose(task, reading("oltp_database", "write_heavy", "memory_tight"))
    ratio = [
        next(item for item in config.action_space if item.param == "vm.dirty_ratio")
        for config in (alone, both)
    ]

    assert ratio[0] == ratio[1]


def test_traits_reach_guards_and_reward(facts, availability):
    """Short memory guards pressure and rewards by it; latency guards the 99th percentile."""
    task = Task("a sentence", facts, availability, installed=TOOLS)
    tight = compose(task, reading("cpu_batch", "memory_tight", "latency_over_throughput"))
    plain = compose(task, reading("cpu_batch"))

    assert {"errors", "pressure", "p99"} == {guard.metric for guard in tight.guard_list}
    assert "pressure" == tight.reward.stability_metric
    assert "repeatability" == plain.reward.stability_metric


def test_everything_is_searched_at_once(facts, availability):
    """No curriculum: the opinion stands in starts and order, and stages cost trials (ADR 4)."""
    assert () == suggest("redis", facts, availability, installed=TOOLS).curriculum


def test_the_config_says_who_wrote_it(facts, availability):
    """A suggested config names the embedded strategist, and keeps that through JSON."""
    config = suggest("redis", facts, availability, installed=TOOLS)

    assert "embedded" == load_config(config.to_json()).strategist


@pytest.mark.parametrize("workload", CLASSES, ids=lambda w: w.name)
@pytest.mark.parametrize("trait", [None, *TRAITS])
def test_every_class_with_every_trait_loads_and_builds(workload, trait, facts, availability):
    """No combination of class and trait leaves the safe ranges or fails to build."""
    task = Task("a sentence", facts, availability, installed=TOOLS)
    traits = () if trait is None else (trait,)
    config = load_config(compose(task, reading(workload.name, *traits)).to_json())
    built = build_space(config, availability)

    assert names(config) == [item.name for item in built.plan]
    assert not any("narrowed" in notice for notice in config.notices)
