import subprocess
import sys

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.compile import TARGET, source_of
from sealtune.catalogue.limits import LIMITS


def test_the_limits_are_those_of_the_catalogue():
    """
    limits.py is what `python -m sealtune.catalogue.compile` makes of knobs.toml today.
    """
    assert source_of(load_catalogue()) == TARGET.read_text("utf-8")


def test_every_parameter_has_its_limit():
    """
    The guard knows each parameter by the catalogue's name, with path and range.
    """
    expected = [(knob.name, knob.path, knob.low, knob.high) for knob in load_catalogue().knobs]

    assert expected == [(name, lim.path, lim.low, lim.high) for name, lim in LIMITS.items()]


def test_the_limits_load_without_the_catalogue():
    """
    The guard's import of the limits pulls in no parser and no catalogue module.
    """
    code = "import sys, sealtune.catalogue.limits; print(*sys.modules)"
    paths = [path for path in sys.path if path]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = run.stdout.split()

    heavy = {"tomllib", "dataclasses", "sealtune.catalogue.loading", "numpy", "pydantic"}
    assert "sealtune.catalogue.limits" in loaded
    assert set() == heavy & set(loaded)
