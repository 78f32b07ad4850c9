"""The person's yes: the exact plan on the screen, the question, and only then the deed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai.messages import ToolCallPart

from sealtune.benchmarks import parse_command
from sealtune.chat.agent import Desk, told
from sealtune.chat.render import Screen
from sealtune.report.events import Event, Finished
from sealtune.report.terminal import Progress
from sealtune.report.text import result_text
from sealtune.toolbox import Toolbox

Ask = Callable[[str], str]
"""Puts a question on the screen and returns what the person typed."""

QUESTIONS = {
    "optimize_workload": "Start? [y/N] ",
    "apply_permanently": "apply? [y/n] ",
    "revert": "Undo? [y/N] ",
}

NOBODY = (
    "Refused: nobody can be asked, for this conversation has no terminal. Tell the person what "
    "would be done, and that it needs a terminal; --yes starts runs of known benchmarks unasked, "
    "and allows nothing else."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person answered; `words` is what they said beside a plain yes or no."""

    yes: bool
    words: str = ""


def understood(text: str) -> Answer:
    """Return what `text` means; only a plain yes is one.

    >>> understood(" Y "), understood(""), understood("not now")
    (Answer(yes=True, words=''), Answer(yes=False, words=''), Answer(yes=False, words='not now'))
    """
    typed = " ".join(text.split())
    if typed.lower() in ("y", "yes"):
        return Answer(True)
    return Answer(False, "" if typed.lower() in ("n", "no", "") else typed)


class Approvals:
    """Asks about each call that would change something, and carries out what is approved.

    Args:
        toolbox: Carries it out, in the thread that calls `settle`.
        screen: Shows the plan.
        ask: Asks the person; ``None`` when there is nobody to ask.
        yes: Runs of benchmarks that need no approval of their own start unasked; nothing else.
    """

    def __init__(
        self, toolbox: Toolbox, screen: Screen, ask: Ask | None, *, yes: bool = False
    ) -> None:
        self.toolbox = toolbox
        self._screen, self._ask, self._yes = screen, ask, yes

    def settle(self, requests: DeferredToolRequests, desk: Desk) -> DeferredToolResults:
        """Return the person's decision on every call; results of approved ones go to `desk`."""
        settled = DeferredToolResults()
        for call in requests.approvals:
            request = requests.metadata[call.tool_call_id]
            answer = self._decide(call, request["arguments"], str(request["plan"]))
            if answer.yes:
                desk.done[call.tool_call_id] = self._carry_out(call, request["arguments"])
                settled.approvals[call.tool_call_id] = ToolApproved()
            else:
                settled.approvals[call.tool_call_id] = ToolDenied(answer.words)
        return settled

    def _decide(self, call: ToolCallPart, arguments: Mapping[str, Any], plan: str) -> Answer:
        self._screen.block(plan)
        question = QUESTIONS[call.tool_name]
        if self._yes and self._is_usual(call.tool_name, arguments):
            self._screen.block(f"{question}y   (--yes)")
            self._screen.pause()
            return Answer(True)
        if self._ask is None:
            self._screen.block(f"{question}n   (nobody to ask)")
            return Answer(False, NOBODY)
        self._screen.pause()
        answer = understood(self._ask(question))
        if answer.yes:
            return answer
        words = f', and said: "{answer.words}"' if answer.words else ""
        return Answer(False, f"The person said no{words}.")

    def _is_usual(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether this is a run that keeps nothing and starts nothing but a known benchmark."""
        if tool != "optimize_workload":
            return False
        plan = self.toolbox.planned(arguments["config_json"])
        return parse_command(plan.spec.command).approval is None

    def _carry_out(self, call: ToolCallPart, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401
        try:
            if call.tool_name == "optimize_workload":
                return self._optimize(arguments["config_json"])
            return getattr(self.toolbox, call.tool_name)(**arguments)
        except Exception as error:  # everything is put back; the conversation goes on
            failure = told(error)
            self._screen.note(f"{failure['error']}  {failure['fix']}")
            return failure
        finally:
            self._screen.pause()

    def _optimize(self, config: str | dict[str, Any]) -> dict[str, Any]:
        """Run the session with its progress on the screen, then show the whole result."""
        console = self._screen.console
        plan = self.toolbox.planned(config)
        finished: list[Finished] = []
        with Progress(console, plan.originals, simulated=plan.simulated).shown() as notify:

            def tell(event: Event) -> None:
                notify(event)
                if isinstance(event, Finished):
                    finished.append(event)

            self.toolbox.notify = tell
            told_to_model = self.toolbox.optimize_workload(config)
        for event in finished:
            console.print(result_text(event.result.as_dict()))
        return told_to_model
