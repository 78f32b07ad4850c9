"""What is installed is what is pinned, and what is pinned can be told from anything else."""

import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_OTHERS = ("smac", "hebo", "torch", "sealtune")
"""Not locked: optional extras, torch (an index of its own), and the package itself."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, tuple[str, list[str]]]:
    """Return name to version and hashes of requirements.lock."""
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = {}
    for line in lines:
        pinned = re.match(r"([A-Za-z0-9_.-]+)==([^\s;]+)", line)
        assert pinned, line
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line)
        found[canonical(pinned[1])] = (pinned[2], hashes)
    return found


def test_every_pin_has_a_version_and_a_hash():
    """
    Each line names one version, and the SHA-256 of each file that may be installed for it.
    """
    pins = locked()
    assert len(pins) > 50
    assert [name for name, (_, hashes) in pins.items() if not hashes] == []
    assert "--require-hashes" in (ROOT / "tools" / "setup").read_text("utf-8")


def test_what_is_installed_is_what_is_pinned():
    """
    Every distribution that is both pinned and installed has the pinned version; few are missing.
    """
    if not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("not installed by tools/setup")
    pins = locked()
    installed = {canonical(one.metadata["Name"]): one.version for one in metadata.distributions()}
    differ = {
        name: (installed[name], version)
        for name, (version, _) in pins.items()
        if name in installed and installed[name] != version
    }
    assert differ == {}
    assert sorted(set(pins) - set(installed)) == []


def test_every_direct_dependency_is_pinned():
    """
    What pyproject.toml asks for stands in the lock, and torch with its version in tools/setup.
    """
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {canonical(re.match(r"[A-Za-z0-9_.-]+", one)[0]) for one in asked}
    assert sorted(names - set(locked()) - set(_OTHERS)) == []
    setup = (ROOT / "tools" / "setup").read_text("utf-8")
    pinned = re.search(r"torch==([\d.]+)", setup)
    assert pinned
    assert metadata.version("torch").partition("+")[0] == pinned[1]
