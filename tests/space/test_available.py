import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import Knob
from sealtune.machine.disk import Disk
from sealtune.machine.facts import Facts, gather_facts
from sealtune.space.available import available_knobs

GIB = 2**30
FACTS = Facts(
    "6.1",
    cpus=2,
    memory_bytes=8 * GIB,
    swap_bytes=GIB,
    numa_nodes=2,
    cpuidle_governor="haltpoll",
    disk=Disk("vda", scheduler="mq-deadline", tags=128),
)
NUMBER = Knob("vm.example", "/proc/sys/vm/example", "int", 10, 60)
CHOICE = Knob("x/example", "/sys/x/example", "choice", choices=("a", "b", "c"))
SCHEDULER = load_catalogue().resolve("block/{dev}/scheduler")
REQUESTS = load_catalogue().resolve("block/{dev}/nr_requests")


@pytest.fixture
def put(tmp_path):
    """Write the file of a parameter below the test's root; return the root."""

    def write(path, text, mode=0o644):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return tmp_path

    return write


def offered(knob, root, facts=FACTS):
    found = available_knobs([knob], facts, root)
    assert () == found.left_out
    return found.offered[0]


def reason(knob, root, facts=FACTS):
    found = available_knobs([knob], facts, root)
    assert () == found.offered
    return found.left_out[0].reason


def test_a_sound_parameter_is_offered_in_its_safe_range(put):
    """
    A readable, writable value inside the range changes nothing of the catalogue's range.
    """
    item = offered(NUMBER, put(NUMBER.path, "20\n"))

    assert ("20", 10, 60, ()) == (item.present, item.low, item.high, item.notices)


def test_a_present_value_outside_widens_the_range_and_says_so(put):
    """
    A range never excludes the machine's own value, and a notice tells.
    """
    item = offered(NUMBER, put(NUMBER.path, "90\n"))

    assert (10, 90) == (item.low, item.high)
    assert "90 lies outside 10..60" in item.notices[0]


def test_a_share_of_memory_becomes_a_number(put):
    """
    Bounds in shares of memory are resolved for this memory, and raise-only ones start at present.
    """
    knob = load_catalogue().resolve("vm.min_free_kbytes")
    item = offered(knob, put(knob.path, "67584\n"))

    assert (67584, 335544) == (item.low, item.high)


def test_a_raise_only_parameter_at_its_limit_is_left_out(put):
    """
    On a machine so small that nothing above the present value is safe, nothing is offered.
    """
    knob = load_catalogue().resolve("vm.min_free_kbytes")
    small = Facts("6.1", memory_bytes=GIB)

    assert "Nothing but its present value" in reason(knob, put(knob.path, "67584\n"), small)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("60\n", 0o444, "cannot be written"),
        ("", 0o644, "empty"),
        ("sixty\n", 0o644, "is no number"),
        ("1 2 3\n", 0o644, "is no number"),
        ("-1\n", 0o644, "special"),
    ],
)
def test_an_unusable_file_is_left_out_with_the_reason(put, text, mode, words):
    """
    A file that cannot be written or gives no number is left out in a sentence that says so.
    """
    assert words in reason(NUMBER, put(NUMBER.path, text, mode))


def test_a_missing_file_is_left_out(tmp_path):
    """
    A parameter that this kernel lacks is left out, naming the file.
    """
    assert "no /proc/sys/vm/example" in reason(NUMBER, tmp_path)


@pytest.mark.parametrize(
    ("need", "without"),
    [
        ("swap", Facts("6.1", memory_bytes=GIB)),
        ("numa", Facts("6.1", memory_bytes=GIB)),
        ("haltpoll", Facts("6.1", memory_bytes=GIB, cpuidle_governor="menu")),
    ],
)
def test_a_parameter_without_effect_here_is_left_out(put, need, without):
    """
    What needs swap, a second memory node or haltpoll is offered only where that exists.
    """
    knob = Knob("vm.example", "/proc/sys/vm/example", "int", 10, 60, needs=(need,))
    root = put(knob.path, "20\n")

    assert "20" == offered(knob, root).present
    assert reason(knob, root, without)


def test_a_share_that_is_not_in_force_is_left_out(put):
    """
    Where somebody chose dirty_bytes, dirty_ratio reads 0 and is not offered in its place.
    """
    knob = load_catalogue().resolve("vm.dirty_ratio")
    put(knob.path, "0\n")

    assert "vm.dirty_bytes = 536870912" in reason(
        knob, put("/proc/sys/vm/dirty_bytes", "536870912\n")
    )
    put(knob.path, "20\n")
    assert (5, 60) == (
        offered(knob, put("/proc/sys/vm/dirty_bytes", "0\n")).low,
        offered(knob, put("/proc/sys/vm/dirty_bytes", "0\n")).high,
    )


def test_choices_are_those_the_kernel_offers_too(put):
    """
    Of the catalogue's choices those that the kernel lists remain, in the catalogue's order.
    """
    item = offered(CHOICE, put(CHOICE.path, "c [a] z\n"))

    assert ("a", ("a", "c"), ()) == (item.present, item.choices, item.notices)


def test_the_present_choice_is_always_on_offer(put):
    """
    A choice that the catalogue does not know, but the machine has, is added and mentioned.
    """
    item = offered(CHOICE, put(CHOICE.path, "a [z]\n"))

    assert ("a", "z") == item.choices
    assert "'z' was added" in item.notices[0]


def test_a_single_choice_is_none(put):
    """
    A kernel that offers only what is in force leaves nothing to tune.
    """
    assert "nothing but 'a'" in reason(CHOICE, put(CHOICE.path, "[a] z\n"))


def test_block_parameters_need_a_disk(put):
    """
    Without a disk below the benchmark's files, block parameters are left out.
    """
    root = put("/sys/block/vda/queue/scheduler", "[none] bfq\n")

    assert "No disk" in reason(SCHEDULER, root, Facts("6.1", memory_bytes=GIB))
    assert "block/vda/scheduler" == offered(SCHEDULER, root).knob.name


def test_the_queue_is_kept_to_what_the_disk_takes_without_a_scheduler(put):
    """
    Where the scheduler may become none, nr_requests stops at the disk's tags; else it does not.
    """
    put("/sys/block/vda/mq/0/nr_tags", "128\n")
    put("/sys/block/vda/queue/scheduler", "none [mq-deadline]\n")
    root = put("/sys/block/vda/queue/nr_requests", "64\n")

    both = available_knobs([SCHEDULER, REQUESTS], FACTS, root)

    assert 128 == both.offered[1].high
    assert "128" in both.offered[1].notices[0]
    assert 2048 == offered(REQUESTS, root).high


def test_a_device_without_a_queue_has_no_queue_length(put):
    """
    A stacked device (LVM, RAID) takes no nr_requests, and is not asked to.
    """
    root = put("/sys/block/vda/queue/nr_requests", "128\n")

    assert "passes requests on" in reason(REQUESTS, root)


@given(present=st.integers(0, 2**33), low=st.integers(0, 2**20), width=st.integers(1, 2**31))
def test_every_offer_contains_the_present_value(tmp_path_factory, present, low, width):
    """
    Whatever the range and the value found, what is offered contains the value found.
    """
    knob = Knob("vm.example", "/proc/sys/vm/example", "int", low, low + width)
    root = tmp_path_factory.getbasetemp() / "any"
    file = root / "proc/sys/vm/example"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{present}\n")

    item = offered(knob, root)

    assert item.low <= present <= item.high
    assert item.low <= low
    assert low + width <= item.high


def test_every_parameter_of_the_catalogue_gets_an_answer_on_this_machine():
    """
    On whatever runs the tests each entry is offered with its own value inside, or left out
    with a sentence; none is lost and nothing is raised.
    """
    knobs = load_catalogue().knobs

    found = available_knobs(knobs, gather_facts())

    assert len(knobs) == len(found.offered) + len(found.left_out)
    for item in found.offered:
        if item.knob.kind == "choice":
            assert item.present in item.choices
        else:
            assert item.low <= int(item.present) <= item.high
    assert all(left.reason.endswith(".") for left in found.left_out)
