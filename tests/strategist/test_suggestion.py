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

TOOLS = ("pgbench", "sysbench", "redis", "ab", "sqlite")
CLASSES = load_workloads().classes
TRAITS = [trait.name for trait in load_workloads().traits]


def names(config):
    return [item.param for item in config.action_space]


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
