"""``apply``, as a person uses it at a terminal."""

import pytest
from tests.toolbox.conftest import stored

from sealtune.cli import asking, keep
from sealtune.errors import ApplyError
from sealtune.store import SqliteStore


def test_what_changed_while_the_question_stood_open_needs_another_look(
    tmp_path, monkeypatch, capsys
):
    """
    A yes is a yes to the diff that was shown: if another file came meanwhile, nothing is written.
    """
    root, history = tmp_path / "root", tmp_path / "history.db"
    for name in ("etc/sysctl.d", "etc/tmpfiles.d", "var/lib"):
        (root / name).mkdir(parents=True)
    monkeypatch.setenv("SEALTUNE_STORE", str(history))
    session = stored(lambda: SqliteStore(history))
    other = root / "etc/sysctl.d/99-zzz.conf"

    def late(_question):
        other.write_text("vm.swappiness = 99\n")
        return True

    monkeypatch.setattr(asking, "confirmed", late)
    with pytest.raises(ApplyError, match="changed since"):
        keep.apply(session, root=root)
    assert [other] == list((root / "etc/sysctl.d").iterdir())
    assert keep.apply(session, root=root) == 0
    assert "99-zzz.conf" in capsys.readouterr().out
