"""A machine that has every parameter of the catalogue, built without reading one."""

import pytest

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.bounds import resolve_bound
from sealtune.machine import Facts
from sealtune.space.available import Availability, AvailableKnob

MEMORY = 16 * 2**30


def offer(knob):
    knob = knob.on_device("sda")
    if knob.kind == "choice":
        return AvailableKnob(knob, knob.choices[-1], choices=knob.choices)
    present = 70_000 if knob.low == "present" else knob.low
    low = resolve_bound(knob.low, present, MEMORY)
    high = resolve_bound(knob.high, present, MEMORY)
    return AvailableKnob(knob, str(present), low, high)


@pytest.fixture
def facts():
    return Facts(kernel="6.12.0", cpus=4, memory_bytes=MEMORY, virtualisation="kvm")


@pytest.fixture
def availability():
    return Availability(tuple(offer(knob) for knob in load_catalogue().knobs), ())
