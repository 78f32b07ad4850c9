"""The two buttons: stopping puts everything back, keeping a gain needs the typed confirmation."""

import os
import sys
import threading

import pytest
from tests.web.client import Browser, post, request

from sealtune import control
from sealtune.cli.offering import Elsewhere, answered
from sealtune.errors import ApplyError, BusyError
from sealtune.planning import make_plan
from sealtune.report.events import RunFinished
from sealtune.session import tune
from sealtune.store import SqliteStore
from sealtune.web.desk import Keeping


def test_stop_ends_the_session_and_leaves_it_resumable(tmp_path, monkeypatch):
    """
    Pressed while a session searches, it ends as by Ctrl-C: trials kept, to be resumed.
    """
    said, looked = [], threading.Event()
    with SqliteStore(tmp_path / "x.db") as store, SqliteStore(store.path) as other:
        client = Browser(other).visitor()
        finish = store.finish

        def press():
            answer = post(client, "/api/sessions/last/stop")
            said.append((answer.status_code, answer.json()))
            said.append(client.get("/api/sessions/last").json())
            looked.set()

        def finish_when_looked_at(*told):
            assert looked.wait(10.0)
            finish(*told)

        monkeypatch.setattr(store, "finish", finish_when_looked_at)

        def notify(event):
            if isinstance(event, RunFinished) and event.phase == "search" and event.index == 3:
                thread = threading.Thread(target=press)
                thread.start()
                thread.join()

        result = tune(make_plan(request()), store, notify)
        row = store.session(result.session)
        assert [one.id for one in store.resumable()] == [row.id]
        shown = client.get("/api/sessions/last").json()
    assert said[0][0] == 202
    assert said[0][1]["asked"] is True
    assert said[1]["state"] == "restoring"
    assert said[1]["stop"] == {"possible": False, "asked": True, "reason": "It was asked to stop."}
    assert result.verdict == "interrupted"
    assert row.status == "interrupted"
    assert shown["state"] == "interrupted"
    assert [run["phase"] for run in shown["runs"]].count("search") >= 3


def test_a_session_that_is_over_cannot_be_stopped(store):
    """
    The button is refused with the reason, and nothing changes.
    """
    answer = post(Browser(store).visitor(), "/api/sessions/last/stop")
    assert answer.status_code == 409
    assert "listens nowhere" in answer.json()["error"]


@pytest.fixture
def kept():
    """The sessions whose gain was kept."""
    return []


@pytest.fixture
def lent(kept):
    """What a dashboard with ``--allow-apply`` may do."""

    def keep(row):
        kept.append(row.id)
        return {"applied": row.workload}

    def diff(_row):
        return {"diff": "+vm.dirty_ratio = 14", "files": ["/etc/x"], "undo": "sealtune revert x"}

    return Keeping(diff=diff, apply=keep)


@pytest.mark.parametrize(
    "typed",
    ["", "yes", "apply", "APPLY {id}", "apply {id} ", " apply {id}", "apply last", None, 1],
)
def test_without_the_typed_confirmation_nothing_is_kept(store, real, lent, kept, typed):
    """
    Anything but exactly the asked-for text is refused.
    """
    client = Browser(store, lent).visitor()
    text = typed.format(id=real.id) if isinstance(typed, str) else typed
    answer = post(client, "/api/sessions/last/apply", {"confirmation": text})
    assert answer.status_code == 400
    assert kept == []


def test_with_the_typed_confirmation_the_gain_is_kept(store, real, lent, kept):
    """
    The diff is shown first; the text that it names keeps the gain, once.
    """
    client = Browser(store, lent).visitor()
    offer = client.get("/api/sessions/last/apply").json()
    assert offer["how"] == "here"
    assert offer["diff"] == "+vm.dirty_ratio = 14"
    assert offer["values"][0]["after"] == "14"
    answer = post(client, "/api/sessions/last/apply", {"confirmation": offer["confirmation"]})
    assert answer.status_code == 200
    assert kept == [real.id]


def test_a_dashboard_that_may_not_apply_says_what_to_type(store, real):
    """
    Without ``--allow-apply`` the page shows the command, and its button is refused with it.
    """
    client = Browser(store).visitor()
    offer = client.get("/api/sessions/last").json()["apply"]
    assert offer["how"] == "command"
    assert offer["command"] == f"sealtune apply {real.id}"
    answer = post(client, "/api/sessions/last/apply", {"confirmation": f"apply {real.id}"})
    assert answer.status_code == 409
    assert offer["command"] in answer.json()["fix"]


def test_a_simulated_gain_is_never_kept(store, seen, lent, kept):
    """
    Whatever a dry run found, there is nothing to keep of it.
    """
    client = Browser(store, lent).visitor()
    answer = post(client, "/api/sessions/last/apply", {"confirmation": f"apply {seen.id}"})
    assert answer.status_code == 409
    assert client.get("/api/sessions/last").json()["apply"]["how"] == "no"
    assert kept == []


def test_what_cannot_be_kept_is_told(store, real):
    """
    An error while keeping reaches the page with what to do now.
    """

    def fail(_row):
        raise ApplyError("no room", fix="Free space.")

    client = Browser(store, Keeping(apply=fail)).visitor()
    answer = post(client, "/api/sessions/last/apply", {"confirmation": f"apply {real.id}"})
    assert answer.status_code == 409
    assert answer.json() == {"error": "no room", "fix": "Free space."}


def test_while_the_session_asks_the_answer_may_come_from_the_page(store, real):
    """
    The session is asked over its own socket, which does what a yes at its terminal does.
    """
    asked = []

    def yes():
        asked.append("yes")
        return {"says": "kept"}

    client = Browser(store).visitor()
    with control.listening(store.path, real.id, "asking", {"apply": yes}, real=False):
        assert client.get("/api/sessions/last").json()["apply"]["how"] == "session"
        wrong = post(client, "/api/sessions/last/apply", {"confirmation": "yes"})
        assert wrong.status_code == 400
        assert asked == []
        right = post(client, "/api/sessions/last/apply", {"confirmation": f"apply {real.id}"})
        assert right.status_code == 202
        assert right.json()["says"] == "kept"
    assert asked == ["yes"]
    assert client.get("/api/sessions/last").json()["apply"]["how"] == "command"


def test_what_is_kept_already_is_said(store, real):
    """
    The page knows that the setting of this session is in force for good.
    """
    shown = Browser(store, Keeping(is_applied=lambda row: row.id == real.id)).visitor()
    assert shown.get("/api/sessions/last").json()["apply"]["applied"] is True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal's end to type at."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "w", buffering=1) as typing:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typing


@pytest.mark.parametrize(("typed", "said"), [("y\n", True), ("yes\n", True), ("\n", False)])
def test_the_question_is_answered_at_the_terminal(terminal, typed, said):
    """
    A yes there is a yes, anything else a no, as without a dashboard.
    """
    elsewhere = Elsewhere()
    terminal.write(typed)
    assert answered("? ", elsewhere) is said
    elsewhere.close()


@pytest.mark.parametrize("error", [None, BusyError("another run is at work")])
def test_the_question_is_answered_from_the_page(terminal, capsys, error):
    """
    A yes of the page ends the waiting at the terminal, and the page learns what became of it.
    """
    elsewhere, told = Elsewhere(), []

    def say_yes():
        try:
            told.append(elsewhere.yes()["says"])
        except BusyError as failed:
            told.append(str(failed))

    thread = threading.Thread(target=say_yes)
    thread.start()
    assert answered("? ", elsewhere)
    assert "from the dashboard" in capsys.readouterr().out
    elsewhere.done(error)
    thread.join()
    elsewhere.close()
    assert told == [str(error)] if error else "kept" in told[0]
