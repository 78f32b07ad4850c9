import tomllib
from importlib import resources

import pytest

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import Under
from sealtune.catalogue.loading import parse_catalogue
from sealtune.errors import KnobError

INT = {
    "name": "vm.example",
    "path": "/proc/sys/vm/example",
    "kind": "int",
    "low": 1,
    "high": 9,
    "default": "5",
    "unit": "",
    "effective": "now",
    "persist": "sysctl.d",
    "risk": 1,
    "why": "Because.",
    "trade_off": "",
    "source": "here",
    "topics": ["memory"],
}


def text_of(*entries):
    def literal(value):
        if isinstance(value, list):
            return "[" + ", ".join(map(literal, value)) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k} = {literal(v)}" for k, v in value.items()) + "}"
        if isinstance(value, bool):
            return str(value).lower()
        return repr(value) if isinstance(value, int | float) else f"'{value}'"

    return "\n".join(
        "[[knob]]\n" + "\n".join(f"{key} = {literal(value)}" for key, value in entry.items())
        for entry in entries
    )


def test_the_example_entry_is_sound():
    """
    The entry that the tests below spoil loads as it stands.
    """
    assert [INT["name"]] == [knob.name for knob in parse_catalogue(text_of(INT)).knobs]


def test_the_catalogue_loads_whole():
    """
    Every entry of knobs.toml arrives, in order, and is read only once.
    """
    text = resources.files("sealtune.catalogue").joinpath("knobs.toml").read_text("utf-8")
    names = [entry["name"] for entry in tomllib.loads(text)["knob"]]

    assert names == [knob.name for knob in load_catalogue().knobs]
    assert len(names) >= 25
    assert load_catalogue() is load_catalogue()


@pytest.mark.parametrize("knob", load_catalogue().knobs, ids=lambda knob: knob.name)
def test_every_entry_says_what_a_person_needs(knob):
    """
    Each entry has a reason, a price, a source and a default in words.
    """
    assert all([knob.why, knob.trade_off, knob.source, knob.default, knob.topics])


@pytest.mark.parametrize("field", [key for key in INT if key != "name"])
def test_a_missing_field_is_named(field):
    """
    An entry without a field is refused, naming entry and field.
    """
    entry = {key: value for key, value in INT.items() if key != field}

    with pytest.raises(KnobError, match=rf"vm\.example: {field} is missing"):
        parse_catalogue(text_of(entry))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"),
        ("kind", "float"),
        ("low", 1.5),
        ("low", True),
        ("low", "half of it"),
        ("high", 1),
        ("choices", ["a", "b"]),
        ("scale", "cubic"),
        ("step", 0),
        ("step", "1"),
        ("effective", "soon"),
        ("persist", "tmpfiles.d"),
        ("path", "/etc/passwd"),
        ("path", "/proc/sys/vm/another"),
        ("saved_with", "one"),
        ("saved_with", [1]),
        ("below", "vm.unknown"),
        ("needs", ["luck"]),
        ("topics", ["sport"]),
        ("risk", "1"),
    ],
)
def test_a_wrong_field_is_named(field, value):
    """
    A field that is unknown, of the wrong type or contradictory is refused by name.
    """
    with pytest.raises(KnobError, match=rf"vm\.example: {field} "):
        parse_catalogue(text_of({**INT, field: value}))


def test_a_forbidden_parameter_cannot_enter():
    """
    An entry on the never-tune list is refused at load.
    """
    entry = {**INT, "name": "vm.drop_caches", "path": "/proc/sys/vm/drop_caches"}

    with pytest.raises(KnobError, match="never tuned"):
        parse_catalogue(text_of(entry))


def test_one_name_cannot_stand_twice():
    """
    Two entries of one name are refused.
    """
    with pytest.raises(KnobError, match="stands twice"):
        parse_catalogue(text_of(INT, INT))


@pytest.mark.parametrize("text", ["", "knob = 3", "x = 1", "[[knob", "[knob]\nname = 'a'"])
def test_a_file_of_another_form_is_an_error_of_ours(text):
    """
    A broken or empty file ends in a KnobError, not in a parser's traceback.
    """
    with pytest.raises(KnobError, match="catalogue"):
        parse_catalogue(text)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("vm.dirty_ratio", "vm.dirty_ratio"),
        ("vm/dirty_ratio", "vm.dirty_ratio"),
        ("/proc/sys/vm/dirty_ratio", "vm.dirty_ratio"),
        (" vm.dirty_ratio\n", "vm.dirty_ratio"),
        ("dirty_ratio", "vm.dirty_ratio"),
        ("guest_halt_poll_ns", "haltpoll/guest_halt_poll_ns"),
        ("haltpoll.guest_halt_poll_ns", "haltpoll/guest_halt_poll_ns"),
        ("/sys/module/haltpoll/parameters/guest_halt_poll_ns", "haltpoll/guest_halt_poll_ns"),
        ("block/{dev}/read_ahead_kb", "block/sdb/read_ahead_kb"),
        ("block/nvme0n1/read_ahead_kb", "block/nvme0n1/read_ahead_kb"),
        ("/sys/block/dm-0/queue/read_ahead_kb", "block/dm-0/read_ahead_kb"),
        ("read_ahead_kb", "block/sdb/read_ahead_kb"),
    ],
)
def test_every_usual_spelling_finds_its_entry(spelling, expected):
    """
    Names, paths, slashes and bare last parts resolve; a device in the name wins over the default.
    """
    assert expected == load_catalogue().resolve(spelling, "sdb").name


def test_without_a_device_the_template_stays():
    """
    A block entry asked for without any device keeps its placeholder.
    """
    assert "block/{dev}/nr_requests" == load_catalogue().resolve("nr_requests").name


def test_a_misspelt_name_is_answered_with_the_nearest():
    """
    A typing error is refused with the name that was probably meant.
    """
    with pytest.raises(KnobError, match=r"vm\.swappiness"):
        load_catalogue().resolve("vm.swapiness")


@pytest.mark.parametrize(
    "name",
    ["", "nonsense", "/etc/passwd", "block/../etc/read_ahead_kb", "block/a b/read_ahead_kb"],
)
def test_an_unknown_name_is_refused(name):
    """
    What the catalogue does not hold is refused, whatever it looks like.
    """
    with pytest.raises(KnobError, match="unknown parameter"):
        load_catalogue().resolve(name)


def test_a_forbidden_name_is_refused_with_the_reason():
    """
    A never-tune parameter is refused as such, not as unknown.
    """
    with pytest.raises(KnobError, match="never tuned: it is a security switch"):
        load_catalogue().resolve("/proc/sys/kernel/randomize_va_space")


def test_an_ambiguous_last_part_is_refused_with_the_candidates():
    """
    A last part that two entries share is not guessed at.
    """
    other = {**INT, "name": "fs.example", "path": "/proc/sys/fs/example"}

    with pytest.raises(KnobError, match=r"vm\.example or fs\.example"):
        parse_catalogue(text_of(INT, other)).resolve("example")


def test_a_device_that_is_a_path_is_refused():
    """
    A device name cannot lead out of /sys/block.
    """
    with pytest.raises(KnobError, match="no block device name"):
        load_catalogue().resolve("nr_requests", "../../etc")


CHOICE = {
    **{key: value for key, value in INT.items() if key not in ("low", "high")},
    "name": "x/choice",
    "path": "/sys/x/choice",
    "kind": "choice",
    "choices": ["a", "b"],
    "default": "a",
    "persist": "tmpfiles.d",
    "saved_with": ["/sys/x/child"],
}
CHILD = {
    **INT,
    "name": "x/child",
    "path": "/sys/x/child",
    "persist": "tmpfiles.d",
    "order": 1,
    "under": {"param": "x/choice", "values": ["b"]},
}


def test_a_condition_is_read():
    """
    A sound condition arrives with its parameter, its device filled in with the rest.
    """
    assert Under("x/choice", ("b",)) == parse_catalogue(text_of(CHOICE, CHILD)).knobs[1].under
    knob = load_catalogue().resolve("read_expire", "sda")
    assert Under("block/sda/scheduler", ("mq-deadline",)) == knob.under
    assert "under block/sda/scheduler mq-deadline" == str(knob.under)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"under": "x/choice"}, "under is 'x/choice', need {param"),
        ({"under": {"param": "x/choice"}}, "need {param"),
        ({"under": {"param": "x/choice", "values": []}}, "need {param"),
        ({"under": {"param": "x/choice", "values": [1]}}, "need {param"),
        ({"under": {"param": "x/choice", "values": ["b"], "more": 1}}, "need {param"),
        ({"under": {"param": "x/none", "values": ["b"]}}, "names 'x/none', which is no entry"),
        ({"under": {"param": "x/child", "values": ["b"]}}, "no entry with choices"),
        ({"under": {"param": "x/choice", "values": ["c"]}}, r"names \['c'\], allowed: a, b"),
        ({"path": "/sys/x/other"}, "needs /sys/x/other in saved_with of x/choice"),
        ({"order": 0}, "order is 0, must be above that of x/choice"),
        ({"low": "present"}, "present value is not known"),
        ({"default": "10"}, "default is '10', need a value of its range"),
        ({"default": "some"}, "default is 'some'"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(changed, message):
    """
    A condition needs a choice, its values, the file among what a switch changes, and a default.
    """
    with pytest.raises(KnobError, match=f"x/child: .*{message}"):
        parse_catalogue(text_of(CHOICE, {**CHILD, **changed}))


def test_one_level_of_conditions_is_enough():
    """
    A choice that is conditional itself decides over nothing.
    """
    top = {**CHOICE, "name": "x/top", "path": "/sys/x/top", "saved_with": ["/sys/x/choice"]}
    middle = {**CHOICE, "order": 1, "under": {"param": "x/top", "values": ["a"]}}
    with pytest.raises(KnobError, match="x/child: under names x/choice, which is conditional"):
        parse_catalogue(text_of(top, middle, {**CHILD, "order": 2}))
