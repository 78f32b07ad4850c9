"""The catalogue against the kernel that runs the tests; every value is put back."""

import os
from pathlib import Path

import pytest

from sealtune.catalogue import load_catalogue
from sealtune.machine import gather_facts, read_knob
from sealtune.space.available import available_knobs

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="writing the kernel needs root"
    ),
]

FACTS = gather_facts()
OFFERED = [i for i in available_knobs(load_catalogue().knobs, FACTS).offered if i.exists]
needs_an_offer = pytest.mark.skipif(not OFFERED, reason="this kernel offers no parameter")


def write(path, text):
    with Path(path).open("w") as file:
        file.write(text)


def values(paths):
    return {path: Path(path).read_text() for path in paths if Path(path).exists()}


def another(item):
    """Return a value beside the present one."""
    if item.knob.kind == "choice":
        return next(choice for choice in item.choices if choice != item.present)
    up = int(item.present) + item.knob.step
    return str(up if up <= item.high else int(item.present) - item.knob.step)


def test_every_entry_reads_or_says_why_not():
    """
    Each parameter that exists here gives a value in one line; the others say what is wrong.
    """
    for knob in load_catalogue().knobs:
        reading = read_knob(knob.on_device(FACTS.disk.name if FACTS.disk else "none"))

        assert (reading.value is None) == (reading.state in ("missing", "unreadable"))
        assert reading.value is None or "\n" not in reading.value


@needs_an_offer
@pytest.mark.parametrize("item", OFFERED, ids=lambda item: item.knob.name)
def test_the_present_value_may_be_written_back(item):
    """
    Every parameter on offer accepts its own value, and reads back the same.
    """
    write(item.knob.path, read_knob(item.knob).value)

    assert item.present == read_knob(item.knob).value


@needs_an_offer
@pytest.mark.parametrize("item", OFFERED, ids=lambda item: item.knob.name)
def test_a_write_changes_nothing_but_what_the_catalogue_says(item):
    """
    Another value is accepted, and of all files we know only the parameter's own and those it is
    saved with change.
    """
    watched = {knob.knob.path for knob in OFFERED}
    watched |= {path for knob in OFFERED for path in knob.knob.saved_with}
    before = values(watched)
    try:
        write(item.knob.path, another(item))
        after = values(watched)
    finally:
        write(item.knob.path, item.present)
        restored = values(item.knob.saved_with)
        for path in restored:
            if restored[path] != before[path]:
                write(path, before[path])

    changed = {path for path in before if before[path] != after.get(path)}
    assert {item.knob.path} <= changed
    assert changed <= {item.knob.path, *item.knob.saved_with}
    assert before == values(watched)
