"""The memory, written to a file."""

import os

import pytest

from sealtune.cli import memory
from sealtune.errors import InputError


@pytest.mark.parametrize("form", ["json", "sft"])
def test_an_export_replaces_a_file_only_when_told_to(tmp_path, monkeypatch, form):
    """
    A file that is there stays as it is until ``--force``.
    """
    monkeypatch.setenv("SEALTUNE_STORE", str(tmp_path / "sessions.db"))
    path = tmp_path / "learnt"
    memory.export(path, form)
    assert "" == path.read_text().strip("[]\n")
    path.write_text("mine")
    with pytest.raises(InputError, match="there already") as refused:
        memory.export(path, form)
    assert "--force" in refused.value.fix
    assert "mine" == path.read_text()
    memory.export(path, form, force=True)
    assert "mine" != path.read_text()


def test_what_loses_nothing_is_written(tmp_path, monkeypatch):
    """
    An empty file, as mktemp makes it, and our own output in a file need no ``--force``.
    """
    monkeypatch.setenv("SEALTUNE_STORE", str(tmp_path / "sessions.db"))
    made = tmp_path / "made"
    made.touch()
    memory.export(made, "json")
    assert made.read_text()
    ours = tmp_path / "ours"
    with ours.open("w") as file, monkeypatch.context() as patched:
        file.write("before\n")
        file.flush()
        real = os.fstat
        patched.setattr("os.fstat", lambda number: real(file.fileno() if number == 1 else number))
        memory.export(ours, "json")
