"""The process that serves a local model runs our code and no other."""

import pytest

from sealtune.errors import ConfigError
from sealtune.strategist.model.local import serve


def test_no_code_is_taken_from_the_current_directory(tmp_path, monkeypatch):
    """A module that lies where sealtune was started is not imported, whatever it is called."""
    trace = tmp_path / "trace"
    planted = f"open({str(trace)!r}, 'w')\n"
    for name in ("xllamacpp", "secrets"):
        (tmp_path / f"{name}.py").write_text(planted)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"broken\.gguf"):
        serve(tmp_path / "broken.gguf")
    assert not trace.exists()
