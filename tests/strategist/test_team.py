"""Who is asked, and what is refused before anybody is."""

import pytest

from sealtune.errors import InputError
from sealtune.strategist.team import team


@pytest.fixture(autouse=True)
def _nothing_set_up(tmp_path, monkeypatch):
    """No model of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SEALTUNE_MODEL", raising=False)


@pytest.mark.parametrize("models", [(), ("embedded",)])
def test_there_is_nothing_to_record_without_a_model(models, tmp_path):
    """--record where the embedded strategist plans is refused, not forgotten."""
    with pytest.raises(InputError, match="asks no model"):
        team(models, recording=tmp_path / "tape.jsonl")
    assert not (tmp_path / "tape.jsonl").exists()


def test_a_model_that_is_set_up_but_unusable_records_nothing(tmp_path, monkeypatch):
    """The reason why it cannot be used is part of the refusal."""
    monkeypatch.setenv("SEALTUNE_MODEL", "openai:gpt-5")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(InputError, match="SEALTUNE_MODEL: OPENAI_API_KEY is not set"):
        team(recording=tmp_path / "tape.jsonl")


def test_a_folder_that_may_not_be_searched_is_no_crash(tmp_path, monkeypatch):
    """Whether the file exists cannot be known: writing it says so later, in words."""

    def forbidden(self, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.stat", forbidden)
    model = "http://127.0.0.1:9/v1#m"

    assert team([model], recording=tmp_path / "tape.jsonl").recording is not None
