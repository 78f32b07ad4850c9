"""The whole conversation on this kernel: sentence, tools, yes, a real run, the last question."""

import io
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from tests.chat.scene import CACHE, Says
from tests.chat.service import demonstration
from tests.kernel.chaos import machine

from sealtune.chat.session import Options, hold
from sealtune.entry import open_store
from sealtune.request import Request

QUICK = Request(tactician="random", seed=1, run_seconds=2)


def files_below_etc() -> list[Path]:
    return sorted(Path("/etc").glob("*/*sealtune*"))


def converse(*, dry_run: bool) -> tuple[str, list[str]]:
    """Ask for the cache, say yes to the run and no to keeping; return the screen and questions."""
    page = io.StringIO()
    console = Console(file=page, width=80, highlight=False)
    person = Says(CACHE, answers=("y", "n"))
    with demonstration(CACHE, trials=6) as service:
        options = Options(model=f"{service.url}#scripted", dry_run=dry_run)
        assert hold(options, person, console, defaults=QUICK) == 0
    return page.getvalue(), person.questions


@pytest.fixture(autouse=True)
def loopback_may_be_asked(monkeypatch):
    """Requests are allowed here: the one address is this machine's."""
    monkeypatch.setattr("pydantic_ai.models.ALLOW_MODEL_REQUESTS", True)


def test_the_same_conversation_in_a_dry_run():
    """
    Nothing real, the same way: and a simulated gain is not offered to be kept.
    """
    shown, questions = converse(dry_run=True)
    assert questions == ["Start? [y/N] "]
    assert "trial 6/6" in shown
    assert "There is nothing to keep." in shown


@pytest.mark.kernel
@pytest.mark.server
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="tuning the kernel needs root")
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_from_the_sentence_to_the_offer_and_a_no():
    """
    A real run ends with a verdict and an unchanged kernel; a confirmed gain is offered with the
    exact files, and a no writes nothing.
    """
    paths = machine.files()
    before, etc = machine.look(paths), files_below_etc()
    shown, questions = converse(dry_run=False)
    assert machine.look(paths) == before
    assert machine.leftovers() == []
    assert files_below_etc() == etc
    with open_store() as store:
        result = store.session(None).result
    assert result is not None
    assert not result["simulated"]
    assert result["restored"]
    assert result["trials_run"] == 6
    assert result["sentence"][:40] in " ".join(shown.split())
    improved = result["verdict"] == "improved"
    assert questions == ["Start? [y/N] ", "apply? [y/n] "][: 1 + improved]
    assert ("sealtune revert" in shown) == improved
