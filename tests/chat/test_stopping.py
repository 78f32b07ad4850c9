"""Ctrl-C: it stops what is being said or measured, and a second one leaves."""

import asyncio
import io
import os
import signal

import pytest
from pydantic_ai.models.function import FunctionModel
from rich.console import Console
from tests.chat.scene import CACHE, QUICK, Says, Scene, call, returned, scripted

from sealtune.chat.session import Options, hold


@pytest.fixture(autouse=True)
def _interruptible():
    """Hear Ctrl-C: what a shell starts in the background is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_while_speaking(then: str) -> FunctionModel:
    """Return a model that is interrupted in its first answer, and gives `then` as the second."""
    count = 0

    async def stream(_messages, _info):
        nonlocal count
        count += 1
        if count > 1:
            yield then
            return
        yield "I was about to "
        press_ctrl_c()
        await asyncio.sleep(60)
        yield "finish"

    return FunctionModel(stream_function=stream, model_name="slow")


def test_ctrl_c_stops_the_model_and_keeps_what_was_said():
    """
    The answer ends at once, and the conversation goes on from what had been said.
    """
    scene = Scene(interrupted_while_speaking("Yes?"))
    with pytest.raises(KeyboardInterrupt):
        scene.say("tell me everything")
    assert "about to" in scene.screen
    assert "Yes?" in scene.say("go on")
    assert "about to" in str(scene.conversation.messages)


def test_ctrl_c_while_a_call_waits_for_the_person():
    """
    Ctrl-C instead of an answer runs nothing, and the next turn is a valid conversation.
    """

    def propose_and_optimize(messages):
        return call(
            "optimize_workload", config_json=returned(messages, "propose_config")["config"]
        )

    model = scripted(call("propose_config", description=CACHE), propose_and_optimize, "Fine.")
    scene = Scene(model, [])
    scene.conversation.approvals._ask = lambda question: press_ctrl_c() or ""
    with pytest.raises(KeyboardInterrupt):
        scene.say(CACHE)
    assert "[search]" not in scene.screen
    assert "Fine." in scene.say("leave it")


class InterruptedAt(io.StringIO):
    """A page on which Ctrl-C is pressed once `text` appears."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def write(self, text: str) -> int:
        if self._text and self._text in text:
            self._text = ""
            press_ctrl_c()
        return super().write(text)


def test_ctrl_c_during_a_run_ends_the_run_and_returns_to_the_conversation():
    """
    The run ends as interrupted with its parameters back; the person is then answered again.
    """
    page = InterruptedAt("trial 3/")
    console = Console(file=page, width=80, highlight=False)
    person = Says(CACHE, "which benchmarks are there?", answers=("y",))
    assert hold(Options(dry_run=True, minutes=6), person, console, defaults=QUICK) == 0
    shown = page.getvalue()
    assert "trial 5/" not in shown
    assert "nterrupted" in shown
    assert "-> list_benchmarks()" in shown.split("nterrupted")[-1]


@pytest.mark.parametrize(
    ("things", "left_at"),
    [
        ((KeyboardInterrupt, KeyboardInterrupt, "never said"), 2),
        ((KeyboardInterrupt, "/help", KeyboardInterrupt, KeyboardInterrupt, "never said"), 4),
        (("/quit", "never said"), 1),
        ((), 1),
    ],
)
def test_how_a_conversation_is_left(things, left_at):
    """
    A second Ctrl-C at the empty prompt, /quit and Ctrl-D leave; one Ctrl-C says how.
    """
    page = io.StringIO()
    person = Says(*things)
    assert hold(Options(), person, Console(file=page, width=80)) == 0
    assert ("Ctrl-C again leaves" in page.getvalue()) == (left_at in (2, 4))
    assert ("never said" in things) == (next(person._things, None) == "never said")


def test_ctrl_c_on_a_half_typed_line_only_clears_it():
    """
    With words on the line, a second Ctrl-C leaves only within two seconds.
    """
    clock = iter([10.0, 20.0, 30.0, 30.5])
    page = io.StringIO()
    person = Says(*[KeyboardInterrupt] * 4, "never said")
    person.typed = "half a sen"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sealtune.chat.session.monotonic", lambda: next(clock))
        assert hold(Options(), person, Console(file=page, width=80)) == 0
    assert next(person._things) == "never said"
    assert next(clock, None) is None
