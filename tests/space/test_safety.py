import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import Knob
from sealtune.machine.facts import memory_of_host
from sealtune.space import SafetyValidator
from sealtune.space.available import AvailableKnob

VALIDATOR = SafetyValidator()


def test_safe_ranges_come_from_the_catalogue():
    """
    Numbers have (low, high), choices their texts, under the catalogue's names.
    """
    ranges = VALIDATOR.SAFE_RANGES

    assert (1, 150) == ranges["vm.swappiness"]
    assert (32, 2048) == ranges["block/{dev}/nr_requests"]
    assert ("always", "madvise", "never") == ranges["transparent_hugepage/enabled"]
    assert set(ranges) <= {knob.name for knob in load_catalogue().knobs}


def test_safe_ranges_cannot_be_changed():
    """
    Nobody widens a range in passing.
    """
    with pytest.raises(TypeError):
        VALIDATOR.SAFE_RANGES["vm.swappiness"] = (0, 200)


def test_memory_bounds_are_numbers_of_this_machine():
    """
    A share of memory in the catalogue is a number here: a twenty-fifth of memory at most.
    """
    low, high = VALIDATOR.SAFE_RANGES.get("vm.min_free_kbytes", (0, 0))

    assert low <= high
    assert high <= max(low, memory_of_host() // 25 // 1024)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vm.swappiness", 1),
        ("vm.swappiness", 150),
        ("vm.swappiness", "60"),
        ("/proc/sys/vm/swappiness", 10),
        ("block/nvme0n1/nr_requests", 64),
        ("transparent_hugepage/enabled", "never"),
        ("net.ipv4.tcp_tw_reuse", "1"),
        ("net.ipv4.tcp_tw_reuse", 1),
        ("net.ipv4.tcp_rmem", "4096 131072 16777216"),
    ],
)
def test_a_safe_value_is_allowed(name, value):
    """
    A value inside the range, or a listed choice, passes under any spelling of the name.
    """
    assert VALIDATOR.validate(name, value)
    assert VALIDATOR.explain(name, value) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vm.swappiness", 0),
        ("vm.swappiness", 151),
        ("vm.swappiness", -5),
        ("vm.swappiness", True),
        ("vm.swappiness", 60.0),
        ("vm.swappiness", float("nan")),
        ("vm.swappiness", None),
        ("vm.swappiness", [60]),
        ("vm.swappiness", "60 70"),
        ("vm.swappiness", "0x3c"),
        ("vm.swappiness", "060"),
        ("vm.swappiness", " 60"),
        ("vm.swappiness", "6_0"),
        ("vm.swappiness", "\u0666\u0660"),
        ("vm.swappiness", "9" * 5000),
        ("net.core.somaxconn", 0),
        ("net.ipv4.tcp_fin_timeout", -5),
        ("net.ipv4.tcp_tw_reuse", True),
        ("net.ipv4.tcp_tw_reuse", "3"),
        ("net.ipv4.tcp_rmem", "1 1 1"),
        ("transparent_hugepage/enabled", "[never]"),
        ("block/vda/scheduler", "noop"),
    ],
)
def test_what_the_kernel_might_take_and_we_do_not_is_refused(name, value):
    """
    Nonsense, odd number formats and values out of range are refused, saying what is allowed.
    """
    refusal = VALIDATOR.explain(name, value)

    assert not VALIDATOR.validate(name, value)
    assert (name, value) == (refusal.name, refusal.value) or value != value
    assert refusal.allowed
    assert refusal.allowed in str(refusal)


@pytest.mark.parametrize("name", ["", "vm.unknown", "../../etc/passwd", "/etc/passwd", None, 7])
def test_an_unknown_parameter_is_refused(name):
    """
    What the catalogue does not hold is refused, whatever the value.
    """
    assert not VALIDATOR.validate(name, 1)


@pytest.mark.parametrize(
    "name", ["kernel.randomize_va_space", "/proc/sys/kernel/sysrq", "vm/drop_caches"]
)
def test_a_forbidden_parameter_is_refused_even_when_offered(name):
    """
    The never-tune list wins over whatever claims to be available.
    """
    knob = Knob(name, "/proc/sys/kernel/x", "int", 0, 2)
    validator = SafetyValidator([AvailableKnob(knob, "2", 0, 2)])

    assert "never tuned" in validator.explain(name, 0).reason


def test_with_an_offer_nothing_else_is_allowed():
    """
    Given what a machine offers, its ranges count, and parameters it lacks are refused.
    """
    knob = load_catalogue().resolve("block/vda/nr_requests")
    validator = SafetyValidator([AvailableKnob(knob, "256", 32, 256)])

    assert validator.validate("block/vda/nr_requests", 256)
    assert not validator.validate("block/vda/nr_requests", 257)
    assert not validator.validate("block/sdb/nr_requests", 64)
    assert not validator.validate("vm.swappiness", 10)


@given(st.integers(-(2**70), 2**70))
def test_only_numbers_inside_the_range_pass(value):
    """
    A whole number passes exactly when it lies in the safe range, as a number and as text.
    """
    low, high = VALIDATOR.SAFE_RANGES["vm.dirty_ratio"]
    expected = low <= value <= high

    assert expected == VALIDATOR.validate("vm.dirty_ratio", value)
    assert expected == VALIDATOR.validate("vm.dirty_ratio", str(value))


@given(st.one_of(st.text(), st.floats(), st.booleans(), st.none(), st.binary()))
def test_no_value_of_any_type_raises(value):
    """
    A model's answer of any type is judged without an exception.
    """
    for name in ("vm.dirty_ratio", "transparent_hugepage/enabled"):
        assert VALIDATOR.validate(name, value) == (VALIDATOR.explain(name, value) is None)


@given(st.text())
def test_no_name_raises(name):
    """
    A name of any form is judged without an exception.
    """
    assert VALIDATOR.validate(name, 1) in (True, False)
