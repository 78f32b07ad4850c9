"""The conversation itself: turn after turn of one agent, whichever model answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_ai import Agent, AgentRun, DeferredToolRequests, DeferredToolResults
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolReturnPart,
    UserPromptPart,
    repair_messages,
)
from pydantic_ai.models import Model
from pydantic_ai.usage import RunUsage

from sealtune.chat.agent import LIMITS, Assistant, Desk
from sealtune.chat.approval import Approvals
from sealtune.chat.discretion import Discreet
from sealtune.chat.render import Screen
from sealtune.chat.transcript import outgoing
from sealtune.errors import SealtuneError
from sealtune.strategist.model.failure import words_of
from sealtune.strategist.model.providers import release

MOST_TURNS = 30
"""Turns of the past that a model is shown; older ones are forgotten."""


@dataclass(frozen=True)
class Brain:
    """Who answers.

    Attributes:
        name: What the person knows it by, ``provider:model`` or ``embedded``.
        model: The model itself.
    """

    name: str
    model: Model


class Conversation:
    """One agent, its past, and the brain that stands in when the chosen model fails.

    Drives the event loop itself: `say` returns when the turn is over, and what the person approved
    runs between two runs of the agent, in the thread that called `say`.

    Args:
        agent: The agent over the tools.
        brain: Who answers.
        stand_in: Answers the rest of a turn in which `brain` failed.
        screen: Shows text and tool calls as they come.
        approvals: Asks the person, and carries out what they approve.
    """

    def __init__(
        self,
        agent: Assistant,
        brain: Brain,
        stand_in: Brain,
        screen: Screen,
        approvals: Approvals,
    ) -> None:
        self.agent, self.brain, self.stand_in = agent, brain, stand_in
        self.screen, self.approvals = screen, approvals
        self.messages: list[ModelMessage] = []
        self._runner = asyncio.Runner()  # one loop: the models keep their connections

    def close(self) -> None:
        """Release the model: its connections, and its memory when it is loaded here."""
        self._runner.run(_let_go(self.brain.model))
        self._runner.close()

    def change(self, brain: Brain) -> None:
        """Let `brain` answer from now on."""
        self._runner.run(_let_go(self.brain.model))
        self.brain = brain

    def outgoing(self) -> str:
        """Return all that the model is sent with the person's next words."""
        model, desk = self.brain.model, Desk(self.approvals.toolbox)
        hide = model.hide if isinstance(model, Discreet) else str
        return self._runner.run(outgoing(self.agent, self._past(), desk, hide))

    def _past(self) -> list[ModelMessage]:
        """Return what the next turn begins with."""
        # A turn that was stopped may have left calls without an answer.
        return repair_messages(recent(self.messages, MOST_TURNS - 1))

    def say(self, text: str) -> None:
        """Give the person's words to the agent and see the turn through.

        Raises:
            KeyboardInterrupt: The person stopped it; what was said until then is remembered.
        """
        self.messages = self._past()
        turn = _Turn(self)
        prompt: str | None = text
        results: DeferredToolResults | None = None
        while True:
            output = self._runner.run(turn.answer(prompt, results))
            if not isinstance(output, DeferredToolRequests):
                self.screen.pause()
                return
            prompt, results = None, self.approvals.settle(output, turn.desk)


class _Turn:
    """One sentence of the person and everything that follows from it."""

    def __init__(self, conversation: Conversation) -> None:
        self._all = conversation
        self._screen = conversation.screen
        self._brain = conversation.brain
        self._usage = RunUsage()
        self._called: set[str] = set()
        self.desk = Desk(conversation.approvals.toolbox)

    async def answer(
        self, prompt: str | None, results: DeferredToolResults | None
    ) -> DeferredToolRequests | None:
        """Run the agent to its answer or to a question; the stand-in takes over from a failure.

        Returns:
            Calls that wait for the person; ``None`` when the turn is over.
        """
        try:
            try:
                return await self._run(prompt, results)
            except (UsageLimitExceeded, SealtuneError):
                raise
            except Exception as error:
                if self._brain is self._all.stand_in:
                    raise
                self._screen.note(
                    f"{self._brain.name} {words_of(error)}. "
                    "The built-in strategist answers instead."
                )
                self._brain = self._all.stand_in
                self._all.messages = _without_broken_end(self._all.messages)
            # What the failed model was asked is in the past already: go on from there.
            return await self._run(None, None)
        except UsageLimitExceeded:
            self._screen.note(
                f"Stopped: one turn has at most {LIMITS.request_limit} answers of the model and "
                f'{LIMITS.tool_calls_limit} tool calls. Say "go on", or ask for less at once.'
            )
        except SealtuneError as error:  # a replay that departs from what was recorded
            self._screen.note(f"{error}  {error.fix}")
        except Exception as error:
            self._screen.note(f"{self._brain.name} {words_of(error)}. Please say it differently.")
        return None

    async def _run(
        self, prompt: str | None, results: DeferredToolResults | None
    ) -> DeferredToolRequests | None:
        async with self._all.agent.iter(
            prompt,
            message_history=self._all.messages or None,
            deferred_tool_results=results,
            model=self._brain.model,
            deps=self.desk,
            usage_limits=LIMITS,
            usage=self._usage,
        ) as run:
            try:
                await self._watch(run)
            finally:
                self._all.messages = run.all_messages()
        output = run.result.output if run.result else None
        return output if isinstance(output, DeferredToolRequests) else None

    async def _watch(self, run: AgentRun[Desk, str | DeferredToolRequests]) -> None:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as answer:
                    async for event in answer:
                        if isinstance(event, PartStartEvent | PartDeltaEvent):
                            self._screen.said(_text_of(event))
            elif Agent.is_call_tools_node(node):
                async with node.stream(run.ctx) as calls:
                    async for call in calls:
                        if isinstance(call, FunctionToolCallEvent | FunctionToolResultEvent):
                            self._show(call)

    def _show(self, event: FunctionToolCallEvent | FunctionToolResultEvent) -> None:
        if isinstance(event, FunctionToolCallEvent):
            # A call that waited for the person comes back with the answer.
            if event.part.tool_call_id not in self._called:
                self._called.add(event.part.tool_call_id)
                self._screen.called(event.part.tool_name, event.part.args_as_dict())
        elif (reason := _failure(event)) is not None:
            self._screen.failed(reason)


async def _let_go(model: Model) -> None:
    async with model:  # leaving it closes its connections
        pass
    release(model)


def _text_of(event: PartStartEvent | PartDeltaEvent) -> str:
    if isinstance(event, PartStartEvent):
        return event.part.content if isinstance(event.part, TextPart) else ""
    return event.delta.content_delta if isinstance(event.delta, TextPartDelta) else ""


def _failure(event: FunctionToolResultEvent) -> str | None:
    part = event.part
    if not isinstance(part, ToolReturnPart):
        return "the call was not valid and goes back to the model"
    if isinstance(part.content, dict) and "error" in part.content:
        return str(part.content["error"])
    if part.outcome == "failed":
        return "the call was not valid and goes back to the model"
    return None


def _without_broken_end(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """Return `messages` without the answer that broke off: another model begins it anew."""
    last = messages[-1] if messages else None
    broken = isinstance(last, ModelResponse) and last.state == "interrupted"
    return list(messages[:-1] if broken else messages)


def recent(messages: Sequence[ModelMessage], turns: int) -> list[ModelMessage]:
    """Return the last `turns` turns of `messages`, each begun by the person's words."""
    starts = [
        index
        for index, message in enumerate(messages)
        if isinstance(message, ModelRequest)
        and any(isinstance(part, UserPromptPart) for part in message.parts)
    ]
    return list(messages[starts[-turns] :]) if len(starts) > turns else list(messages)
