"""No test of the conversation needs a key or leaves this machine."""

import pytest


@pytest.fixture(autouse=True)
def no_request_leaves(monkeypatch, tmp_path):
    """No test of this package asks a real model, or touches the history of this user."""
    monkeypatch.setattr("pydantic_ai.models.ALLOW_MODEL_REQUESTS", False)
    monkeypatch.setenv("SEALTUNE_STORE", str(tmp_path / "sessions.db"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SEALTUNE_MODEL", raising=False)
