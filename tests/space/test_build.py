"""From a config and a machine to a space: what is cut, widened, coupled and left out."""

import pytest

from sealtune.catalogue import load_catalogue
from sealtune.errors import ConfigError, KnobError
from sealtune.space.available import Availability, AvailableKnob, LeftOut
from sealtune.space.build import build_space
from sealtune.space.config import load_config
from sealtune.space.space import Below


def available(name, present, low=0, high=0, choices=()):
    return AvailableKnob(load_catalogue().resolve(name, "sda"), present, low, high, choices)


MACHINE = Availability(
    (
        available("vm.swappiness", "60", 1, 150),
        available("vm.dirty_ratio", "20", 5, 60),
        available("vm.dirty_background_ratio", "10", 1, 30),
        available("net.core.somaxconn", "4096", 128, 65535),
        available("read_ahead_kb", "128", 0, 8192),
        available(
            "transparent_hugepage/enabled", "madvise", choices=("always", "madvise", "never")
        ),
    ),
    (LeftOut("kernel.numa_balancing", "A single memory node."),),
)


def build(*params, **options):
    config = load_config(
        {
            "workload_name": "w",
            "reward_metric": "throughput",
            "benchmark_command": "pgbench -c 4",
            "action_space": list(params),
        }
    )
    return build_space(config, MACHINE, **options)


def test_ranges_and_start_come_from_the_config():
    """The space has the config's range, scale and start; the plan also the present value."""
    built = build(
        {"param": "vm.swappiness", "min": 10, "max": 80, "start": 20, "why": "because"},
        {"param": "somaxconn", "min": 512, "max": 8192},
    )

    assert {"vm.swappiness": 20, "net.core.somaxconn": 4096} == built.space.start
    assert (10, 80, 20, 60, "because") == (
        built.plan[0].low, built.plan[0].high, built.plan[0].start,
        built.plan[0].present, built.plan[0].why,
    )  # fmt: skip
    assert "log" == built.plan[1].scale
    assert built.plan[1].why == MACHINE.offered[3].knob.why
    assert () == built.notices


def test_a_range_is_widened_to_the_present_value_and_said():
    """A range that leaves out the present value is widened to it, with a notice."""
    built = build({"param": "vm.swappiness", "min": 1, "max": 30, "start": 10})

    assert (1, 60) == (built.plan[0].low, built.plan[0].high)
    assert ("vm.swappiness: 1..30 widened to include the present value 60.",) == built.notices


def test_what_is_safe_on_this_machine_rules():
    """A range is cut to this machine's safe one; one wholly outside it is an error."""
    narrow = Availability((available("vm.swappiness", "60", 50, 70),), ())
    config = load_config(
        {
            "workload_name": "w",
            "reward_metric": "score",
            "benchmark_command": "x",
            "action_space": [{"param": "vm.swappiness", "min": 20, "max": 100}],
        }
    )
    built = build_space(config, narrow)

    assert (50, 70) == (built.plan[0].low, built.plan[0].high)
    assert "narrowed to 50..70" in built.notices[0]
    outside = config.action_space[0].model_copy(update={"min": 80})
    with pytest.raises(KnobError, match=r"80..100 lies outside.*50..70"):
        build_space(config.model_copy(update={"action_space": (outside,)}), narrow)


def test_without_a_prior_everything_is_whole_and_as_found():
    """`no_prior` ignores ranges and starts: whole safe ranges, from the present values."""
    built = build(
        {"param": "vm.swappiness", "min": 10, "max": 30, "start": 20},
        {"param": "transparent_hugepage/enabled", "choices": ["never"], "start": "never"},
        no_prior=True,
    )

    assert {"vm.swappiness": 60, "transparent_hugepage/enabled": "madvise"} == built.space.start
    assert (1, 150) == (built.plan[0].low, built.plan[0].high)
    assert ("always", "madvise", "never") == built.plan[1].choices


def test_the_present_choice_stays_reachable():
    """Choices without the present one get it added, and it is said."""
    built = build({"param": "transparent_hugepage/enabled", "choices": ["never"]})

    assert {"never", "madvise"} == set(built.plan[0].choices)
    assert "'madvise' was added" in built.notices[0]


def test_coupled_parameters_stay_coupled():
    """With both in the space the lower is kept below the upper, in every corner."""
    built = build({"param": "vm.dirty_ratio"}, {"param": "vm.dirty_background_ratio"})

    assert (Below("vm.dirty_background_ratio", "vm.dirty_ratio"),) == built.space.couplings
    for corner in ([0, 0], [0, 1], [1, 0], [1, 1]):
        setting = built.space.decode(corner)
        assert setting["vm.dirty_background_ratio"] < setting["vm.dirty_ratio"]


def test_one_of_a_pair_stays_beside_the_other_that_is_not_tuned():
    """Alone, the lower ends below the present upper, and the upper above the present lower."""
    lower = build({"param": "vm.dirty_background_ratio"})
    upper = build({"param": "vm.dirty_ratio"})

    assert (1, 19) == (lower.plan[0].low, lower.plan[0].high)
    assert (11, 60) == (upper.plan[0].low, upper.plan[0].high)
    assert "coupled" in lower.notices[0]


def test_what_is_missing_here_is_left_out_with_the_reason():
    """A parameter that this machine lacks is left out with its reason; the rest goes on."""
    built = build({"param": "kernel.numa_balancing"}, {"param": "vm.swappiness"})

    assert ("vm.swappiness",) == built.space.names
    assert (LeftOut("kernel.numa_balancing", "A single memory node."),) == built.left_out


def test_nothing_left_is_an_error_that_says_why():
    """When nothing can be tuned here, the reasons stand in the error."""
    with pytest.raises(ConfigError, match="A single memory node"):
        build({"param": "kernel.numa_balancing"})


def test_a_range_of_one_value_is_refused():
    """Min equal to max and to the present value leaves nothing to search."""
    with pytest.raises(ConfigError, match=r"both 60; allowed: .*1..150"):
        build({"param": "vm.swappiness", "min": 60, "max": 60})


@pytest.mark.parametrize("name", ["block/{dev}/read_ahead_kb", "block/sda/read_ahead_kb"])
def test_a_device_is_filled_in_and_steps_stay_on_the_grid(name):
    """A block parameter is the tuned device's, and its values are multiples of the step."""
    built = build({"param": name, "min": 6, "max": 999})

    assert ("block/sda/read_ahead_kb",) == built.space.names
    assert all(built.space.decode([x / 20])[built.space.names[0]] % 4 == 0 for x in range(21))
